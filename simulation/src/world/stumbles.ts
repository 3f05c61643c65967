import { world as checker } from "@atlasnet/history/world";
import { implementWorld } from "@atlasnet/world";
import { asEdition } from "./edition.ts";
import { slowDefinition } from "./slow-checker.ts";

/** The slow world with code that throws in every tick. */
export const world = implementWorld(
  slowDefinition,
  asEdition("stumbles", {
    ...checker.behaviour,
    tick: () => {
      throw new Error("this version cannot make a tick");
    },
  }),
);
