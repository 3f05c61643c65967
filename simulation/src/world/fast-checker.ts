import { world as checker, definition } from "@atlasnet/history/world";
import { implementWorld } from "@atlasnet/world";
import { withCompany } from "./company.ts";
import { asEdition } from "./edition.ts";

export const fastDefinition = definition;

/** The checker's world at its own pace. */
export const world = implementWorld(definition, asEdition("first", withCompany(checker.behaviour)));
