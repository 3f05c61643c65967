import {
  defineWorld,
  grid2d,
  implementWorld,
  int,
  quantized,
  text,
  type WorldContext,
} from "@atlasnet/world";

/** Edge of the world, of a cell, and how many cells a player sees in every direction. */
export const SIZE = 200;
export const CELL = 20;
export const VIEW = 2;
const THINGS = 30;
/** Most characters of `told`. */
const MAX_TOLD = 60_000;

const coordinate = quantized({ min: 0, max: SIZE, step: 0.25 });
const count = int(0, 1_000_000);

/**
 * A world that keeps books: it notes every message and input that is not the next one, and answers
 * each message with its number. Things walk about until it is frozen; then `tell` gives the whole of it.
 */
export const definition = defineWorld({
  name: "ledger",
  tickRate: 20,
  space: grid2d({ component: "position", size: [SIZE, SIZE], cell: CELL, view: VIEW }),
  components: {
    position: { x: coordinate, y: coordinate },
    mark: { n: count },
    board: { ticks: count },
  },
  ownerComponents: { purse: { n: count } },
  inputs: { go: { n: count, x: coordinate, y: coordinate } },
  clientMessages: { say: { n: count, filler: text(4_000) }, freeze: {}, tell: {} },
  serverMessages: {
    said: { n: count },
    news: { n: count },
    frozen: {},
    told: { json: text(MAX_TOLD) },
    wrong: { text: text(200) },
  },
  channels: { board: { public: true } },
});

export type Ledger = NonNullable<typeof definition.spec>;
type Context = WorldContext<Ledger>;

export const world = implementWorld(definition, {
  create(ctx) {
    const board = ctx.spawn({ board: {} });
    board.channel = "board";
    ctx.kv.set("board", board.id);
    for (let n = 0; n < THINGS; n++) ctx.spawn({ position: somewhere(ctx), mark: {} });
  },

  join(ctx, player) {
    player.entity = ctx.spawn({ position: somewhere(ctx), purse: {} });
    player.subscribe("board");
  },

  input: {
    go(ctx, player, { n, x, y }) {
      // Inputs may be lost, and never come twice or late.
      const last = number(ctx, `input ${player.id}`);
      if (n <= last) ctx.broadcast("wrong", { text: `input ${n} after ${last}` });
      ctx.kv.set(`input ${player.id}`, n);
      if (player.entity?.position !== undefined) Object.assign(player.entity.position, { x, y });
    },
  },

  message: {
    say(ctx, player, { n }) {
      const last = number(ctx, `message ${player.id}`);
      if (n !== last + 1) ctx.broadcast("wrong", { text: `message ${n} after ${last}` });
      ctx.kv.set(`message ${player.id}`, n);
      if (player.entity?.purse !== undefined) player.entity.purse.n = n;
      player.send("said", { n });
    },
    freeze(ctx) {
      ctx.kv.set("frozen", 1);
      ctx.broadcast("frozen", {});
    },
    tell(ctx, player) {
      const all = [...ctx.query()].map(({ id, position, mark, board }) => ({
        id,
        position,
        mark,
        board,
      }));
      player.send("told", { json: JSON.stringify(all) });
    },
  },

  tick(ctx) {
    if (number(ctx, "frozen") === 1) return;
    const board = ctx.entity(number(ctx, "board"))?.board;
    if (board !== undefined) board.ticks += 1;
    ctx.kv.set("news", number(ctx, "news") + 1);
    ctx.broadcast("news", { n: number(ctx, "news") });
    for (const { position, mark } of ctx.query("position", "mark")) {
      if (ctx.random.float() < 0.5) continue;
      mark.n += 1;
      position.x = step(ctx, position.x);
      position.y = step(ctx, position.y);
    }
  },
});

function somewhere(ctx: Context): { x: number; y: number } {
  return { x: ctx.random.int(0, SIZE), y: ctx.random.int(0, SIZE) };
}

function step(ctx: Context, from: number): number {
  return Math.min(SIZE, Math.max(0, from + ctx.random.int(-4, 4)));
}

function number(ctx: Context, key: string): number {
  const value = ctx.kv.get(key);
  return typeof value === "number" ? value : 0;
}
