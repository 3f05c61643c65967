import { world as checker, definition } from "@atlasnet/history/world";
import { float64, implementWorld } from "@atlasnet/world";
import { withCompany } from "./company.ts";
import { asEdition } from "./edition.ts";
import { SLOW_TICK_RATE } from "./slow-checker.ts";

/** What every entity shows more of after the upgrade, to be told from all that the world was before. */
export const RENEWED_BY = 0.5;

/** Numbers that were whole need not be, and a fast world becomes a slow one. */
export const renewedDefinition: typeof definition = {
  ...definition,
  data: {
    ...definition.data,
    version: definition.data.version + 1,
    tickRate: SLOW_TICK_RATE,
    components: definition.data.components.map((component) => ({
      ...component,
      fields: component.fields.map(([name]) => [name, float64()] as const),
    })),
  },
};

export const world = implementWorld(renewedDefinition, {
  ...asEdition("renewed", withCompany(checker.behaviour)),
  upgrade: ({ components }) => {
    const tick = Number(components["pulse"]?.["tick"]);
    return { pulse: { tick: tick + RENEWED_BY } };
  },
});
