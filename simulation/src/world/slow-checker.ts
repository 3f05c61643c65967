import { world as checker, definition } from "@atlasnet/history/world";
import { implementWorld } from "@atlasnet/world";
import { withCompany } from "./company.ts";
import { asEdition } from "./edition.ts";

/** Ticks of the slow world in a second: a run of some hours has no time for more. */
export const SLOW_TICK_RATE = 4;

/** The checker's world, that of `@atlasnet/history`, at a pace at which much simulated time passes in little real time. */
export const slowDefinition: typeof definition = {
  ...definition,
  data: { ...definition.data, tickRate: SLOW_TICK_RATE },
};

export const world = implementWorld(
  slowDefinition,
  asEdition("first", withCompany(checker.behaviour)),
);
