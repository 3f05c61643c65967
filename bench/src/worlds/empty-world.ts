import { defineWorld, implementWorld } from "@atlasnet/world";

const definition = defineWorld({ name: "bench-empty", tickRate: 20, components: {} });

/** A world in which nothing can happen by itself. */
export const world = implementWorld(definition, {});
