import { world as checker, type definition } from "@atlasnet/history/world";
import { implementWorld } from "@atlasnet/world";
import { asEdition } from "./edition.ts";
import { renewedDefinition } from "./renewed.ts";

/** Another one than the renewed world's, too. */
const refusedDefinition: typeof definition = {
  ...renewedDefinition,
  data: { ...renewedDefinition.data, version: renewedDefinition.data.version + 1 },
};

export const world = implementWorld(refusedDefinition, {
  ...asEdition("refuses", checker.behaviour),
  upgrade: () => {
    throw new Error("this version takes nothing over");
  },
});
