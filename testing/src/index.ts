export { type TestPlayer, type TestWorld, testWorld } from "./test-world.ts";
