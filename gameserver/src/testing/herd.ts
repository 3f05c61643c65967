import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
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
import type { WorldSettings } from "../host/protocol.ts";
import { Move, SimThread, until } from "./sim-thread.ts";
import { readBatch } from "./test-shard.ts";

/** A world of cows that moves between two world threads, and a player who feeds them. */

const root = mkdtempSync(join(tmpdir(), "atlasnet-moving-"));
after(() => rmSync(root, { recursive: true, force: true }));

export const SHARD = "herd/0";
export const SPEC = {
  name: "herd",
  tickRate: 20,
  components: { cow: { milk: uint(1000) } },
  clientMessages: { feed: { hay: uint(1000) } },
  serverMessages: { moo: { text: text(20) } },
};
export const DEFINITION = defineWorld(SPEC).data;
const compiled = compileDefinition(DEFINITION);

/** A world whose every tick depends on all that a state holds; it says in its log what it did. */
export const TICKS = `tick(ctx) {
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
export const BEHAVIOUR = `
  create(ctx) { for (let n = 0; n < 100; n++) ctx.spawn({ cow: { milk: n } }); ctx.after(7, "ring", 1); },
  timer: { ring(ctx, n) { ctx.log("ring", { tick: ctx.tick, n }); ctx.after(13, "ring", n + 1); } },
  join(ctx) { ctx.log("join", {}); },
  resume(ctx) { ctx.log("resume", {}); },
  drop(ctx) { ctx.log("drop", {}); },
  leave(ctx) { ctx.log("leave", {}); },
  message: { feed(ctx, player, { hay }) { ctx.kv.set("hay", hay); ctx.log("fed", { hay }); } },`;

let files = 0;

export function moduleFile(behaviour: string, data: DefinitionData = DEFINITION): string {
  const file = join(root, `m${files++}.mjs`);
  const json = JSON.stringify(data);
  writeFileSync(
    file,
    `export const world = { definition: { data: ${json} }, behaviour: {${behaviour}} };`,
  );
  return file;
}

const HERD = moduleFile(BEHAVIOUR + TICKS);

export function settingsOf(more: Partial<WorldSettings> = {}): WorldSettings {
  return {
    ...{ world: "herd", shard: SHARD, file: HERD, generation: 0, config: null },
    ...{ durability: "journal", fresh: false, graceSeconds: 5, maxSessions: 10 },
    ...{ outboxMessages: 1000, outboxBytes: 100_000, seed: 1, lastEpoch: 0 },
    ...more,
  };
}

export const FIRST: Ownership = { epoch: 5, world: 1, turn: 1, lastTurn: "none" };
/** The target's, after the switch. */
export const SECOND: Ownership = { epoch: 9, world: 1, turn: 2, lastTurn: undefined };
/** The target's node again, after its process has ended. */
export const THIRD: Ownership = { epoch: 14, world: 1, turn: 3, lastTurn: 2, sinceTurn: 2 };

export function simDisk(): SimDisk {
  return new SimDisk({}, { random: new SeededRandom(1) });
}

export function threads() {
  const clock = new SimClock();
  const disks = [simDisk(), simDisk()] as const;
  return { clock, disks, from: new SimThread(clock, disks[0]), to: new SimThread(clock, disks[1]) };
}

/** What a client and its proxy do, without either: numbers on both sides, resent after each attach. */
export class Client {
  private readonly stream = new Uint8Array(8).fill(7);
  private thread: SimThread;
  private seen = 0;
  private attach = 0;
  private epoch = 0;
  /** The newest attach was answered: until then, what is said waits. */
  isIn = false;
  private session: number | undefined;
  private attempt = 0;
  timeline = 0;
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
}

function messagesOf(message: ToShard) {
  return { type: "messages" as const, shard: SHARD, peer: 1, messages: [message] };
}

/** Some seconds of play: the client feeds the cows all the time. */
export async function play(clock: SimClock, client: Client, ms: number): Promise<void> {
  const end = clock.now() + ms;
  await until(clock, () => {
    client.hear();
    if (clock.now() % 35 === 0) client.feed();
    return clock.now() >= end;
  });
}

/** A world that runs at the target, with the client that came along. `before`: with the target's disk, at the switch. */
export async function moved(
  settings: Partial<WorldSettings> = {},
  before: (disk: SimDisk) => void = () => undefined,
) {
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
  before(all.disks[1]);
  await move.promote(SECOND, sealed.dueMs);
  client.come(to, SECOND.epoch);
  return { ...all, client, sealed };
}

/** The copies of worlds that came from elsewhere on a disk. */
export async function replicasOn(disk: SimDisk): Promise<string[]> {
  const names = await disk.process().list(shardFolder("/data", "herd", SHARD));
  return names.filter((name) => name.endsWith(".replica"));
}

/** What a world wrote to its log under this heading. */
export function factsOf(thread: SimThread, what: string): { [name: string]: unknown }[] {
  return thread.of("log").flatMap(({ message, facts }) => (message === what ? [facts] : []));
}

export function ticksOf(thread: SimThread): number[] {
  return factsOf(thread, "t").map(({ tick }) => Number(tick));
}

export function fedOf(thread: SimThread): number[] {
  return factsOf(thread, "fed").map(({ hay }) => Number(hay));
}

export function sequence(length: number): number[] {
  return Array.from({ length }, (_, n) => n + 1);
}
