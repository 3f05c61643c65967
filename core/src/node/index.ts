export { settle } from "./settle.ts";
export { systemClock } from "./system-clock.ts";
export { systemRandom } from "./system-random.ts";
