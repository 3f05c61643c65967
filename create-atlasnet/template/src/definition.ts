import { defineWorld, grid2d, int, quantized, text, uint } from "@atlasnet/world";

/** The field's width and height. */
export const SIZE = 100;

const coordinate = quantized({ min: 0, max: SIZE, step: 1 / 32 });

/** What the world is made of. The page imports it too, so both sides agree at compile time. */
export const definition = defineWorld({
  name: "game",
  tickRate: 20,
  space: grid2d({ component: "position", size: [SIZE, SIZE], cell: 25, view: 2 }),
  components: {
    position: { x: coordinate, y: coordinate },
    runner: { name: text(24), score: uint(9999), hue: uint(359) },
    star: { hue: uint(359) },
  },
  inputs: {
    steer: { x: int(-1, 1), y: int(-1, 1) },
  },
  clientMessages: {
    cheer: { text: text(60) },
  },
  serverMessages: {
    cheer: { name: text(24), text: text(60) },
    caught: { name: text(24), score: uint(9999) },
  },
  ownerComponents: {
    heading: { x: int(-1, 1), y: int(-1, 1) },
  },
  join: { name: text(24) },
});
