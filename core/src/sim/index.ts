export { SeededRandom } from "./seeded-random.ts";
export { SimClock } from "./sim-clock.ts";
export { SimDisk, type SimDiskFaults } from "./sim-disk.ts";
export { SimNetwork, type SimNetworkOptions } from "./sim-link.ts";
