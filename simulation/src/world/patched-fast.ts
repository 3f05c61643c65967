import { world as checker } from "@atlasnet/history/world";
import { implementWorld } from "@atlasnet/world";
import { withCompany } from "./company.ts";
import { asEdition } from "./edition.ts";
import { fastDefinition } from "./fast-checker.ts";

/** The fast world with other code. */
export const world = implementWorld(
  fastDefinition,
  asEdition("patched", withCompany(checker.behaviour)),
);
