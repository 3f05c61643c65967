import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type ToProxy, type ToShard, UpstreamBatch, UpstreamKind } from "@atlasnet/core";
import { SeededRandom, SimClock, SimDisk } from "@atlasnet/core/sim";
import {
  ByteReader,
  ByteWriter,
  compileDefinition,
  type DefinitionData,
  defineWorld,
  text,
  uint,
} from "@atlasnet/world";
import { shardFolder } from "../durability/file-names.ts";
import type { Ownership } from "../durability/plan-run.ts";
import { Move, SimThread, until } from "../testing/sim-thread.ts";
import { readBatch } from "../testing/test-shard.ts";
import type { WorldSettings } from "./protocol.ts";

const root = mkdtempSync(join(tmpdir(), "atlasnet-moving-"));
after(() => rmSync(root, { recursive: true, force: true }));

const SHARD = "herd/0";
const definition = defineWorld({
  name: "herd",
  tickRate: 20,
  components: { cow: { milk: uint(1000) } },
  clientMessages: { feed: { hay: uint(1000) } },
  serverMessages: { moo: { text: text(20) } },
}).data;
const compiled = compileDefinition(definition);

/** A world whose every tick depends on all that a state holds; it says in its log what it did. */
const TICKS = `tick(ctx) {
    const n = (ctx.kv.get("n") ?? 0) + 1;
    ctx.kv.set("n", n);
    const cows = [...ctx.query()];
    const cow = cows[ctx.random.int(0, cows.length - 1)];
    cow.cow.milk = ctx.random.int(0, 1000);
    if (n % 5 === 0) ctx.spawn({ cow: { milk: n % 1000 } });
    if (n % 7 === 0) cows[ctx.random.int(0, cows.length - 1)].despawn();
    if (n % 3 === 0) for (const player of ctx.players) player.send("moo", { text: "t" + ctx.tick });
    ctx.log("t", { tick: ctx.tick, n, cows: cows.length, sum: cows.reduce((sum, c) => sum + c.cow.milk, 0) });
  },`;
const BEHAVIOUR = `
  create(ctx) { for (let n = 0; n < 100; n++) ctx.spawn({ cow: { milk: n } }); ctx.after(7, "ring", 1); },
  timer: { ring(ctx, n) { ctx.log("ring", { tick: ctx.tick, n }); ctx.after(13, "ring", n + 1); } },
  join(ctx) { ctx.log("join", {}); },
  resume(ctx) { ctx.log("resume", {}); },
  drop(ctx) { ctx.log("drop", {}); },
  leave(ctx) { ctx.log("leave", {}); },
  message: { feed(ctx, player, { hay }) { ctx.kv.set("hay", hay); ctx.log("fed", { hay }); } },`;

let files = 0;

function moduleFile(behaviour: string, data: DefinitionData = definition): string {
  const file = join(root, `m${files++}.mjs`);
  const json = JSON.stringify(data);
  writeFileSync(
    file,
    `export const world = { definition: { data: ${json} }, behaviour: {${behaviour}} };`,
  );
  return file;
}

const HERD = moduleFile(BEHAVIOUR + TICKS);

function settingsOf(more: Partial<WorldSettings> = {}): WorldSettings {
  return {
    ...{ world: "herd", shard: SHARD, file: HERD, generation: 0, config: null },
    ...{ durability: "journal", fresh: false, graceSeconds: 5, maxSessions: 10 },
    ...{ outboxMessages: 1000, outboxBytes: 100_000, seed: 1, lastEpoch: 0 },
    ...more,
  };
}

const FIRST: Ownership = { epoch: 5, world: 1, turn: 1, lastTurn: "none" };
/** The target's, after the switch. */
const SECOND: Ownership = { epoch: 9, world: 1, turn: 2, lastTurn: undefined };
/** The target's node again, after its process has ended. */
const THIRD: Ownership = { epoch: 14, world: 1, turn: 3, lastTurn: 2, sinceTurn: 2 };

function simDisk(): SimDisk {
  return new SimDisk({}, { random: new SeededRandom(1) });
}

function threads() {
  const clock = new SimClock();
  const disks = [simDisk(), simDisk()] as const;
  return { clock, disks, from: new SimThread(clock, disks[0]), to: new SimThread(clock, disks[1]) };
}

function logsOf(thread: SimThread) {
  return thread.of("log").map(({ message, facts }) => [message, facts]);
}

const isOfPlayers = ([what]: readonly unknown[]) =>
  what === "join" || what === "resume" || what === "drop" || what === "leave";

/** What a client and its proxy do, without either: numbers on both sides, resent after each attach. */
class Client {
  private readonly stream = new Uint8Array(8).fill(7);
  private thread: SimThread;
  private seen = 0;
  private attach = 0;
  private epoch = 0;
  /** The newest attach was answered: until then, what is said waits. */
  isIn = false;
  private session: number | undefined;
  private attempt = 0;
  private timeline = 0;
  readonly unacked: number[] = [];
  sent = 0;
  readonly heard: { seq: number; text: string }[] = [];

  constructor(thread: SimThread) {
    this.thread = thread;
  }

  come(thread: SimThread, epoch: number): void {
    this.thread = thread;
    this.seen = thread.posts.length;
    this.epoch = epoch;
    this.attach += 1;
    this.isIn = false;
    const { session, timeline } = this;
    this.tell({
      ...{ type: "attach", shard: SHARD, epoch, attach: this.attach, account: "ann", name: "" },
      ...{ data: null, stream: this.stream, firstUnacked: this.unacked[0] ?? this.sent + 1 },
      lastReceived: this.heard.at(-1)?.seq ?? 0,
      attempt: session === undefined ? 0 : this.attempt + 1,
      ...(session !== undefined && { session, timeline }),
    });
  }

  feed(): void {
    this.sent += 1;
    this.unacked.push(this.sent);
    if (this.isIn) this.send(this.sent);
  }

  private send(n: number): void {
    const writer = new ByteWriter();
    compiled.clientMessages[0]?.codec.encode(writer, { hay: n });
    const batch = new UpstreamBatch();
    batch.add(this.attach, UpstreamKind.message, n, 0, writer.finish());
    this.tell({ type: "upstream", shard: SHARD, epoch: this.epoch, batch: batch.take() });
  }

  private tell(message: ToShard): void {
    this.thread.tell(messagesOf(message));
  }

  /** Takes in what came since. */
  hear(): void {
    for (; this.seen < this.thread.posts.length; this.seen++) {
      const post = this.thread.posts[this.seen];
      if (post?.type === "out") for (const { message } of post.messages) this.take(message);
    }
  }

  private take(message: ToProxy): void {
    if (message.type === "attached") {
      this.isIn = true;
      this.session = message.session;
      this.attempt = message.attempt;
      this.timeline = message.timeline;
      this.acked(message.appliedSeq);
      for (const n of this.unacked) this.send(n);
    } else if (message.type === "downstream") {
      const entry = readBatch(message.batch).sessions.get(this.attach);
      for (const { seq, payload } of entry?.messages ?? [])
        this.heard.push({ seq, text: String(this.textOf(payload)) });
      if (entry?.ack !== undefined) this.acked(entry.ack);
    } else assert.notEqual(message.type, "closed");
  }

  private textOf(payload: Uint8Array): unknown {
    return compiled.serverMessages[0]?.codec.decode(new ByteReader(payload))["text"];
  }

  private acked(seq: number): void {
    while ((this.unacked[0] ?? seq + 1) <= seq) this.unacked.shift();
  }

  get knows(): { timeline: number } {
    return { timeline: this.timeline };
  }
}

function messagesOf(message: ToShard) {
  return { type: "messages" as const, shard: SHARD, peer: 1, messages: [message] };
}

/** Some seconds of play: the client feeds the cows all the time. */
async function play(clock: SimClock, client: Client, ms: number): Promise<void> {
  const end = clock.now() + ms;
  await until(clock, () => {
    client.hear();
    if (clock.now() % 35 === 0) client.feed();
    return clock.now() >= end;
  });
}

test("a world that moves goes on as one that stayed: ticks, timers, random numbers, keys; its player sees no seam", async () => {
  const stay = threads();
  await stay.from.open(settingsOf({ ownership: FIRST }));
  await until(stay.clock, () => stay.from.of("log").length > 300);

  const { clock, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const client = new Client(from);
  client.come(from, FIRST.epoch);
  await play(clock, client, 1_000);
  const { timeline } = client.knows;
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  await play(clock, client, 500);
  move.pump();
  await move.keep();
  const sealed = await move.seal();
  // What the client says now is said again at the target.
  client.feed();
  await move.promote(SECOND, sealed.dueMs);
  from.tell({ type: "close", shard: SHARD });
  client.come(to, SECOND.epoch);
  await play(clock, client, 2_000);
  await from.answer("closed");
  await play(clock, client, 2_000);
  client.hear();

  const isOfWorld = ([what]: readonly unknown[]) => what === "t" || what === "ring";
  const moved = [...logsOf(from), ...logsOf(to)].filter(isOfWorld);
  const stayed = logsOf(stay.from).filter(isOfWorld);
  const length = Math.min(moved.length, stayed.length);
  assert.ok(length > 100);
  assert.ok(moved.length > logsOf(from).filter(isOfWorld).length + 60, "it ticks at the target");
  assert.deepEqual(moved.slice(0, length), stayed.slice(0, length));
  const players = [...logsOf(from), ...logsOf(to)].filter(isOfPlayers);
  assert.deepEqual(players, [["join", { shard: SHARD, world: "herd" }]]);
  assert.equal(client.knows.timeline, timeline, "no rollback");
  // Both ways: once, and in order.
  const fed = [...fedOf(from), ...fedOf(to)];
  assert.deepEqual(fed, sequence(fed.length));
  assert.ok(fed.length >= client.sent - 3);
  assert.deepEqual(
    client.heard.map(({ seq }) => seq),
    sequence(client.heard.length),
  );
  const told = client.heard.map(({ text: word }) => Number(word.slice(1)));
  for (const [at, tick] of told.entries()) assert.equal(tick, (told[0] ?? 0) + 3 * at);
});

/** A world that runs at the target, with the client that came along. */
async function moved(settings: Partial<WorldSettings> = {}) {
  const all = threads();
  const { clock, from, to } = all;
  await from.open(settingsOf({ ownership: FIRST }));
  const client = new Client(from);
  client.come(from, FIRST.epoch);
  await play(clock, client, 500);
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf(settings));
  await move.keep();
  await play(clock, client, 100);
  const sealed = await move.seal();
  await move.promote(SECOND, sealed.dueMs);
  client.come(to, SECOND.epoch);
  return { ...all, client, sealed };
}

/** What a world wrote to its log under this heading. */
function factsOf(thread: SimThread, what: string): { [name: string]: unknown }[] {
  return thread.of("log").flatMap(({ message, facts }) => (message === what ? [facts] : []));
}

function ticksOf(thread: SimThread): number[] {
  return factsOf(thread, "t").map(({ tick }) => Number(tick));
}

function fedOf(thread: SimThread): number[] {
  return factsOf(thread, "fed").map(({ hay }) => Number(hay));
}

function sequence(length: number): number[] {
  return Array.from({ length }, (_, n) => n + 1);
}

test("whenever the target's process ends after the switch, its next one finds a state from then on", async () => {
  for (const ms of [0, 5, 10, 20, 50, 100, 500, 2_500]) {
    const { clock, disks, to, client, sealed } = await moved();
    if (ms > 0) await play(clock, client, ms);
    const reached = Math.max(sealed.tick, ...ticksOf(to));
    disks[1].crash("power");
    const again = new SimThread(clock, disks[1]);
    await again.open(settingsOf({ ownership: THIRD }));
    await until(clock, () => ticksOf(again).length > 0);
    const went = reached - ((ticksOf(again)[0] ?? 0) - 1);
    // The copy was made 100 ms before the last tick of the source; a delta is on the disk within journalSyncMs.
    assert.ok(went <= 24, `${went} ticks are lost ${ms} ms after the switch`);
    // Players were told of ticks that are gone: it goes on in another timeline, and knows its player.
    const back = new Client(again);
    back.come(again, THIRD.epoch);
    await until(clock, () => {
      back.hear();
      return back.isIn;
    });
    assert.equal(back.knows.timeline, THIRD.epoch);
    assert.ok(logsOf(again).some(([what]) => what === "resume"));
    again.tell({ type: "close", shard: SHARD });
    await again.answer("closed");
    assert.deepEqual(await replicasOn(disks[1]), []);
  }
});

async function replicasOn(disk: SimDisk): Promise<string[]> {
  const names = await disk.process().list(shardFolder("/data", "herd", SHARD));
  return names.filter((name) => name.endsWith(".replica"));
}

test("a move that is given up after the source has stopped leaves everything as it was", async () => {
  const { clock, disks, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const client = new Client(from);
  client.come(from, FIRST.epoch);
  await play(clock, client, 500);
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  await move.keep();
  assert.equal((await replicasOn(disks[1])).length, 1);
  const sealed = await move.seal();
  await play(clock, client, 1_000);
  assert.equal(ticksOf(from).at(-1), sealed.tick, "it stands still");
  to.tell({ type: "drop-replica", shard: SHARD });
  from.tell({ type: "unseal-shard", shard: SHARD });
  from.tell({ type: "end-copy", shard: SHARD, copy: 1 });
  await to.answer("closed");
  assert.deepEqual(await replicasOn(disks[1]), []);
  const deltas = from.of("delta").length;
  await play(clock, client, 1_000);
  await play(clock, client, 500);
  assert.equal(from.of("delta").length, deltas, "nobody follows any more");
  const ticks = ticksOf(from);
  assert.ok(ticks.length - sealed.tick >= 25, "it goes on at its pace");
  assert.ok(ticks.length - sealed.tick <= 35, "the time that it stood still is not made up");
  for (const [at, tick] of ticks.entries()) assert.equal(tick, (ticks[0] ?? 0) + at);
  // What the client said while it stood still was handled after it.
  const fed = fedOf(from);
  assert.deepEqual(fed, sequence(fed.length));
  assert.ok(fed.length >= client.sent - 3);
  assert.deepEqual(to.of("log"), []);
});

test("what does not follow from what came before is refused, and nothing of the replica is left", async () => {
  const { disks, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  const deltaOf = (more: object) => ({
    ...{ type: "replica-delta" as const, shard: SHARD, data: new Uint8Array(3) },
    ...{ previous: 0, tick: 0, ...more },
  });
  const at = () => to.of("replica-at").at(-1)?.tick ?? 0;
  const bad: [string, () => Parameters<SimThread["tell"]>[0]][] = [
    ["a delta that leaves ticks out", () => deltaOf({ previous: at() + 1, tick: at() + 2 })],
    ["a delta that goes back", () => deltaOf({ previous: at(), tick: at() })],
    ["bytes of another form", () => deltaOf({ previous: at(), tick: at() + 1 })],
    [
      "a piece after the last",
      () => ({
        type: "replica-piece",
        shard: SHARD,
        offset: 0,
        data: new Uint8Array(3),
        last: false,
      }),
    ],
  ];
  for (const [what, message] of bad) {
    await move.follow(settingsOf());
    await move.keep();
    to.tell(message());
    const { during, error } = await to.failure();
    assert.deepEqual([during, error.code], ["replica", "bad-data"], what);
    from.tell({ type: "end-copy", shard: SHARD, copy: 1 });
    // Nobody is there to take anything in, or to be promoted.
    to.tell(message());
    to.tell({ type: "promote", shard: SHARD, ownership: SECOND, dueMs: 0 });
    assert.equal((await to.failure()).during, "promote");
    to.tell({ type: "drop-replica", shard: SHARD });
    await to.answer("closed");
    assert.deepEqual(await replicasOn(disks[1]), [], what);
  }
});

test("a delta before the copy is whole, and a copy of another tick, are refused", async () => {
  const { from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  from.tell({ type: "copy", shard: SHARD, copy: 1 });
  const { tick, timeline } = await from.answer("copy-begun");
  from.tell({ type: "read-copy", shard: SHARD, copy: 1, offset: 0, maxBytes: 1_000_000 });
  const { data, last } = await from.answer("copy-piece");
  assert.ok(last);
  const begin = async (of: number) => {
    const source = { epoch: FIRST.epoch, world: 1, otherModule: false };
    const state = { tick: of, timeline, definition };
    to.tell({ type: "replica", settings: settingsOf(), state, source });
    await to.answer("replica-open");
  };
  await begin(tick);
  to.tell({ type: "replica-delta", shard: SHARD, previous: tick, tick: tick + 1, data });
  assert.match((await to.failure()).error.message, /before the copy/);
  await begin(tick + 1);
  to.tell({ type: "replica-piece", shard: SHARD, offset: 0, data, last });
  assert.match((await to.failure()).error.message, /a state of tick \d+ came for tick/);
  await begin(tick);
  to.tell({ type: "replica-piece", shard: SHARD, offset: 0, data: data.subarray(0, -1), last });
  assert.match((await to.failure()).error.message, /cannot be taken in/);
});

test("replicas are no open shards: they are in no figures, and their drop may come before their module", async () => {
  const { clock, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  from.report();
  to.report();
  assert.equal(from.of("stats").length, 1);
  assert.deepEqual(to.of("stats"), []);
  const replica = {
    ...{ type: "replica" as const, settings: settingsOf() },
    ...{ state: { tick: 3, timeline: 1, definition } },
    ...{ source: { epoch: 5, world: 1, otherModule: false } },
  };
  // One after another, as they were asked for: the last stays.
  to.tell({ type: "drop-replica", shard: SHARD });
  to.tell(replica);
  to.tell({ type: "drop-replica", shard: SHARD });
  to.tell(replica);
  const told = () => to.posts.filter(({ type }) => type === "closed" || type === "replica-open");
  await until(clock, () => told().length === 4);
  assert.deepEqual(
    told().map(({ type }) => type),
    ["replica-open", "closed", "closed", "replica-open"],
  );
});
