import { world as checker } from "@atlasnet/history/world";
import { implementWorld } from "@atlasnet/world";
import { withCompany } from "./company.ts";
import { asEdition } from "./edition.ts";
import { slowDefinition } from "./slow-checker.ts";

/** The slow world with other code. */
export const world = implementWorld(
  slowDefinition,
  asEdition("patched", withCompany(checker.behaviour)),
);
