import { defineWorld, float64, grid2d, int, quantized, text, uint } from "@atlasnet/world";

export const ARENA = 1000;

/** What the arena is made of; the page and the world share it. */
export const definition = defineWorld({
  name: "arena",
  tickRate: 20,
  space: grid2d({ component: "position", size: [ARENA, ARENA], cell: 100, view: 2 }),
  components: {
    position: {
      x: quantized({ min: 0, max: ARENA, step: 0.125 }),
      y: quantized({ min: 0, max: ARENA, step: 0.125 }),
    },
    fighter: { name: text(24), health: uint(100, { default: 100 }), score: uint(9_999) },
    bullet: { shooter: uint(2 ** 32 - 1) },
    leader: { name: text(24), score: uint(9_999) },
  },
  ownerComponents: {
    weapon: { cooldown: uint(20) },
    motion: { dx: float64(), dy: float64() },
  },
  inputs: { move: { dx: int(-1, 1), dy: int(-1, 1) } },
  clientMessages: {
    shoot: { angle: quantized({ min: -4, max: 4, step: 0.001 }) },
    chat: { text: text(200) },
  },
  serverMessages: { chat: { from: text(24), text: text(200) } },
  channels: { scores: { public: true } },
  join: { name: text(24) },
  publicCells: true,
});
