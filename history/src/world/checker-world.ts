import {
  bytes,
  compileDefinition,
  defineWorld,
  float64,
  implementWorld,
  type Player,
  type StructValue,
  uint,
  type WorldContext,
} from "@atlasnet/world";
import { chained, EMPTY_CHAIN, type Hash } from "../hash.ts";
import { hashOf } from "./account-codec.ts";

/** Most bytes of filler in a message. */
export const MAX_FILLER_BYTES = 4_096;
/** Most of `stateBytes`, and how much of it is in one entry. */
const MAX_STATE_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 60_000;
const TICK_RATE = 20;

const whole = uint(2 ** 32 - 1);
/** A `WorldAccount` of record.ts, and whose messages it is about. */
const account = {
  writer: whole,
  n: whole,
  tick: float64(),
  count: whole,
  chain: float64(),
  last: float64(),
  sentCount: whole,
  sentChain: float64(),
};

/**
 * The world of the history checker: whole server can host it, beside worlds of games. It keeps, for each session, the
 * number and the chained hash of all messages that it applied, and of all that it sent, and says so in every message
 * of its own. Everybody sees a counter that moves every tick.
 *
 * `config.stateBytes` (0 to 64 MiB, default 0) makes its state so much larger, `config.beatTicks` (default 20, 0 for
 * never) is how often it says something by itself.
 */
export const definition = defineWorld({
  name: "history-checker",
  tickRate: TICK_RATE,
  components: { pulse: { tick: whole } },
  inputs: { nudge: { n: whole } },
  clientMessages: {
    /** `writer` is one client instance, `n` its count: what the world makes of it is up to the checker. */
    say: { writer: whole, n: whole, filler: bytes(MAX_FILLER_BYTES) },
    balance: { writer: whole, n: whole },
  },
  serverMessages: { said: account, balance: account, beat: account },
  channels: { pulse: { public: true } },
});

export type CheckerWorld = NonNullable<typeof definition.spec>;
type Context = WorldContext<CheckerWorld>;
type CheckedPlayer = Player<CheckerWorld>;
type Reply = "said" | "balance" | "beat";

const compiled = compileDefinition(definition.data);

/** What the world knows of one session. */
interface Book {
  readonly writer: number;
  readonly n: number;
  readonly count: number;
  readonly chain: Hash;
  readonly last: Hash;
  readonly sentCount: number;
  readonly sentChain: Hash;
}

export const world = implementWorld(definition, {
  create(ctx) {
    const pulse = ctx.spawn({ pulse: {} });
    pulse.channel = "pulse";
    ctx.kv.set("pulse", pulse.id);
    const size = Math.min(setting(ctx, "stateBytes", 0), MAX_STATE_BYTES);
    for (let from = 0; from < size; from += CHUNK_BYTES)
      ctx.kv.set(`ballast ${from}`, ballast(ctx, Math.min(CHUNK_BYTES, size - from)));
  },

  join(_ctx, player) {
    player.subscribe("pulse");
  },

  leave(ctx, player) {
    ctx.kv.delete(keyOf(player));
  },

  input: { nudge() {} },

  message: {
    say(ctx, player, message) {
      apply(ctx, player, "say", message);
      reply(ctx, player, "said");
    },
    balance(ctx, player, message) {
      apply(ctx, player, "balance", message);
      reply(ctx, player, "balance");
    },
  },

  tick(ctx) {
    const pulse = ctx.entity(number(ctx.kv.get("pulse")))?.pulse;
    if (pulse !== undefined) pulse.tick = ctx.tick % 2 ** 32;
    const beatTicks = setting(ctx, "beatTicks", TICK_RATE);
    if (beatTicks === 0 || ctx.tick % beatTicks !== 0) return;
    // Who is away gets no beats, or its outbox would fill with them.
    for (const player of ctx.players) if (player.connected) reply(ctx, player, "beat");
  },
});

function apply(
  ctx: Context,
  player: CheckedPlayer,
  name: "say" | "balance",
  message: StructValue & { readonly writer: number; readonly n: number },
): void {
  const { writer, n } = message;
  const book = bookOf(ctx, player);
  const last = hashOf(compiled.clientMessages, name, message);
  // Another instance took the session over: its messages are counted from the first.
  const before = book.writer === writer ? book : { ...book, count: 0, chain: EMPTY_CHAIN };
  ctx.kv.set(keyOf(player), {
    ...before,
    writer,
    n,
    last,
    count: before.count + 1,
    chain: chained(before.chain, last),
  });
}

function reply(ctx: Context, player: CheckedPlayer, name: Reply): void {
  const book = bookOf(ctx, player);
  const message = { ...book, tick: ctx.tick };
  player.send(name, message);
  ctx.kv.set(keyOf(player), {
    ...book,
    sentCount: book.sentCount + 1,
    sentChain: chained(book.sentChain, hashOf(compiled.serverMessages, name, message)),
  });
}

function keyOf({ id }: CheckedPlayer): string {
  return `book ${id}`;
}

function bookOf(ctx: Context, player: CheckedPlayer): Book {
  const kept = recordOf(ctx.kv.get(keyOf(player)));
  return {
    writer: number(kept["writer"]),
    n: number(kept["n"]),
    count: number(kept["count"]),
    chain: number(kept["chain"]),
    last: number(kept["last"]),
    sentCount: number(kept["sentCount"]),
    sentChain: number(kept["sentChain"]),
  };
}

function setting(ctx: Context, name: string, otherwise: number): number {
  const value = recordOf(ctx.config)[name];
  return typeof value === "number" && value >= 0 ? value : otherwise;
}

function recordOf(value: unknown): { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function number(value: unknown): number {
  return typeof value === "number" ? value : EMPTY_CHAIN;
}

/** Bytes that do not compress. */
function ballast(ctx: Context, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => ctx.random.int(0, 255));
}
