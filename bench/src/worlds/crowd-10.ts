import { crowdWorld } from "./crowd-world.ts";

export const world = crowdWorld(10);
