import { defineWorld, float64, grid2d, quantized, uint } from "@atlasnet/world";

export const WIDTH = 1600;
export const HEIGHT = 900;
/** Most balls that one message adds or removes, and most there are. */
export const MAX_ADDED = 1_000;
export const MAX_BALLS = 10_000;

/** What the sandbox is made of. World and page share it. */
export const definition = defineWorld({
  name: "sandbox",
  tickRate: 20,
  // From the middle one sees it all.
  space: grid2d({ component: "position", size: [WIDTH, HEIGHT], cell: 200, view: 4 }),
  components: {
    position: {
      x: quantized({ min: 0, max: WIDTH, step: 1 / 8 }),
      y: quantized({ min: 0, max: HEIGHT, step: 1 / 8 }),
    },
    ball: { hue: uint(359), radius: uint(20) },
  },
  // Nobody owns a ball, so nobody is sent its motion.
  ownerComponents: { motion: { dx: float64(), dy: float64() } },
  clientMessages: { add: { count: uint(MAX_ADDED) }, remove: { count: uint(MAX_ADDED) } },
});

export type Sandbox = NonNullable<typeof definition.spec>;
