import assert from "node:assert/strict";
import type { SimClock, SimDisk } from "@atlasnet/core/sim";
import type { DefinitionData } from "@atlasnet/world";
import type { Ownership } from "../durability/plan-run.ts";
import type { FromThread, ThreadSettings, ToThread, WorldSettings } from "../host/protocol.ts";
import { WorldThread } from "../host/world-thread.ts";

const SETTINGS: ThreadSettings = {
  dataDir: "/data",
  tickLimitMs: 0,
  snapshotIntervalMs: 300_000,
  keepSnapshots: 2,
  journalSyncMs: 1_000,
  development: false,
};

const STEP_MS = 5;
const MAX_STEPS = 4_000;

type Post<T extends FromThread["type"]> = Extract<FromThread, { type: T }>;

/** Lets simulated time pass until a condition holds, and what waits for disks and modules go on. */
export async function until(clock: SimClock, holds: () => boolean): Promise<void> {
  for (let step = 0; !holds(); step++) {
    assert.ok(step < MAX_STEPS, `not within ${(STEP_MS * MAX_STEPS) / 1000} s`);
    clock.advance(STEP_MS);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A world thread in simulated time, without a thread. */
export class SimThread {
  readonly clock: SimClock;
  readonly posts: FromThread[] = [];
  private readonly thread: WorldThread;
  /** Posts before it were answers to what was asked. */
  private answered = 0;

  constructor(clock: SimClock, disk: SimDisk, settings: Partial<ThreadSettings> = {}) {
    this.clock = clock;
    const surroundings = { clock, disk: disk.process(), unixMs: () => clock.now() };
    const all = { ...SETTINGS, ...settings };
    this.thread = new WorldThread(all, (post) => void this.posts.push(post), surroundings);
  }

  tell(message: ToThread): void {
    this.thread.handle(message);
  }

  /** Figures, as a thread tells them every second. */
  report(): void {
    this.thread.report();
  }

  /** The next post of this type after the last answer. A failure that comes instead is thrown. */
  async answer<T extends FromThread["type"]>(type: T): Promise<Post<T>> {
    const isIt = (post: FromThread): post is Post<T> => post.type === type;
    for (;;) {
      const post = await this.next();
      if (isIt(post)) return post;
      assert.ok(post.type !== "failed", post.type === "failed" ? post.error.message : "");
    }
  }

  /** The next failure after the last answer. */
  async failure(): Promise<Post<"failed">> {
    for (;;) {
      const post = await this.next();
      if (post.type === "failed") return post;
    }
  }

  /** The next post of this type after the last answer, or the failure that comes instead. */
  async either<T extends FromThread["type"]>(type: T): Promise<Post<T> | Post<"failed">> {
    const isIt = (post: FromThread): post is Post<T> => post.type === type;
    for (;;) {
      const post = await this.next();
      if (post.type === "failed" || isIt(post)) return post;
    }
  }

  private async next(): Promise<FromThread> {
    await until(this.clock, () => this.answered < this.posts.length);
    const post = this.posts[this.answered];
    assert.ok(post !== undefined);
    this.answered += 1;
    return post;
  }

  of<T extends FromThread["type"]>(type: T): Post<T>[] {
    const isIt = (post: FromThread): post is Post<T> => post.type === type;
    return this.posts.filter(isIt);
  }

  async open(settings: WorldSettings): Promise<number> {
    this.tell({ type: "open", settings: { ...settings } });
    return (await this.answer("opened")).epoch;
  }
}

/** How a shard goes from one thread to another: what the main threads on both sides do, without a link between. */
export class Move {
  readonly from: SimThread;
  readonly to: SimThread;
  private readonly shard: string;
  private readonly epoch: number;
  private readonly copy: number;
  private readonly pieceBytes: number;
  /** Posts of the source that were looked at for deltas. */
  private seen = 0;
  begun: Post<"copy-begun"> | undefined;

  constructor(
    from: SimThread,
    to: SimThread,
    about: { shard: string; epoch: number; copy: number; pieceBytes?: number },
  ) {
    this.from = from;
    this.to = to;
    this.shard = about.shard;
    this.epoch = about.epoch;
    this.copy = about.copy;
    this.pieceBytes = about.pieceBytes ?? 500;
  }

  /** Until the target has the state, and all deltas so far. `changed`: the target's definition is another one. */
  async follow(settings: WorldSettings, otherModule = false): Promise<DefinitionData> {
    const { from, to, shard, copy, pieceBytes } = this;
    this.seen = from.posts.length;
    from.tell({ type: "copy", shard, copy });
    const begun = await from.answer("copy-begun");
    this.begun = begun;
    const { tick, timeline, definition } = begun;
    const source = { epoch: this.epoch, world: 1, otherModule };
    to.tell({
      type: "replica",
      settings: { ...settings },
      state: { tick, timeline, definition },
      source,
    });
    await to.answer("replica-open");
    for (let offset = 0, last = false; !last; ) {
      from.tell({ type: "read-copy", shard, copy, offset, maxBytes: pieceBytes });
      const { data, ...piece } = await from.answer("copy-piece");
      assert.equal(piece.offset, offset);
      to.tell({ type: "replica-piece", shard, offset, data, last: piece.last });
      offset += data.length;
      last = piece.last;
      // Ticks go on between the pieces.
      from.clock.advance(30);
    }
    this.pump();
    return definition;
  }

  /** Hands over the deltas that were told since. */
  pump(): void {
    for (; this.seen < this.from.posts.length; this.seen++) {
      const post = this.from.posts[this.seen];
      if (post?.type !== "delta") continue;
      const { shard, previous, tick, data } = post;
      this.to.tell({ type: "replica-delta", shard, previous, tick, data, hashed: true });
    }
  }

  async keep(): Promise<number> {
    this.to.tell({ type: "keep-replica", shard: this.shard });
    return (await this.to.answer("replica-kept")).tick;
  }

  /** The source stops; the target has the same state then. */
  async seal(): Promise<Post<"sealed">> {
    this.from.tell({ type: "seal-shard", shard: this.shard });
    const sealed = await this.from.answer("sealed");
    this.pump();
    const at = this.to.of("replica-at").at(-1);
    assert.equal(at?.tick, sealed.tick);
    assert.deepEqual(at.hash, sealed.hash);
    return sealed;
  }

  async promote(ownership: Ownership, dueMs: number): Promise<void> {
    this.to.tell({ type: "promote", shard: this.shard, ownership, dueMs });
    const opened = await this.to.answer("opened");
    assert.equal(opened.epoch, ownership.epoch);
  }
}
