/** For tests: apiservers in this process, over a store in memory. */
export { type ApiScene, apiScene } from "./scene.ts";
