import { defineWorld, implementWorld } from "@atlasnet/world";

const definition = defineWorld({ name: "bench-stored", tickRate: 20, components: {} });

/** Values are so long, in bytes. */
const VALUE_BYTES = 1_000;

/** A world that holds so many KB as it was configured to, and does nothing. */
export const world = implementWorld(definition, {
  create(ctx) {
    const { kilobytes } = Object(ctx.config);
    for (let n = 0; n < Number(kilobytes); n++)
      ctx.kv.set(`value-${n}`, String(n % 10).repeat(VALUE_BYTES));
  },
});
