import { defineWorld, float64, grid2d, int, quantized, text, uint } from "@atlasnet/world";

/** The arena's width and height. */
export const ARENA = 1000;
/** How fast fighters run, per second; the page moves the own one ahead of the server with it. */
export const RUN_SPEED = 120;
/** Ticks from one shot to the next. */
export const COOLDOWN_TICKS = 5;
export const FULL_HEALTH = 100;
/** Letters of a name, and of a line of chat; a letter takes up to three bytes. */
export const MAX_NAME = 15;
export const MAX_CHAT = 80;

const coordinate = quantized({ min: 0, max: ARENA, step: 1 / 8 });
const name = text(3 * MAX_NAME);
const score = uint(9_999);
const line = text(3 * MAX_CHAT);

/** What the arena is made of. World and page share it, so both agree at compile time. */
export const definition = defineWorld({
  name: "arena",
  tickRate: 20,
  // A player sees the cells up to three away from its own: at least 300 in every direction.
  space: grid2d({ component: "position", size: [ARENA, ARENA], cell: 100, view: 3 }),
  components: {
    position: { x: coordinate, y: coordinate },
    fighter: { name, health: uint(FULL_HEALTH, { default: FULL_HEALTH }), score },
    bullet: { shooter: uint(2 ** 32 - 1) },
    leader: { name, score },
  },
  // Only the owner of an entity is sent these; bots and bullets have no owner.
  ownerComponents: {
    motion: { dx: float64(), dy: float64() },
    weapon: { cooldown: uint(COOLDOWN_TICKS) },
  },
  inputs: { move: { dx: int(-1, 1), dy: int(-1, 1) } },
  clientMessages: {
    shoot: { angle: quantized({ min: -4, max: 4, step: 0.001 }) },
    chat: { text: line },
  },
  serverMessages: { chat: { from: name, text: line } },
  channels: { scores: { public: true } },
  join: { name },
  publicCells: true,
});

/** The types of all that, for functions of the world and of the page. */
export type Arena = NonNullable<typeof definition.spec>;
