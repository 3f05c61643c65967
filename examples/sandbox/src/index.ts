export { definition } from "./definition.ts";
export { world } from "./world.ts";
