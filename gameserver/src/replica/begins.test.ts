import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { KEPT_COPY } from "../host/protocol.ts";
import { copyOf, definition, deltaOf, epoch, shard, ToldTarget } from "../testing/told-target.ts";
import { newReplicaCounts } from "./counts.ts";
import { ReplicaSource } from "./source.ts";
import type { BegunState, SourceEvent } from "./source-types.ts";

/** Streams that begin with a state that both sides have: that of a seal, after the switch. */
const BEGINS: BegunState = { tick: 100, timeline: 2, tickRate: 20, definition };
const about = { shard, epoch };

function owner() {
  const source = new ReplicaSource(
    { shard, epoch, id: "1f", begins: BEGINS },
    { nextCopy: () => 5, checksum: (bytes) => crc32(bytes), counts: newReplicaCounts() },
  );
  return (...events: SourceEvent[]) => events.flatMap((event) => source.handle(event, 1_000));
}

const ticked = (previous: number, tick: number): SourceEvent => ({
  type: "thread",
  message: { type: "delta", shard, previous, tick, data: Uint8Array.of(tick & 255) },
});
const acknowledged = (tick: number): SourceEvent => ({
  type: "message",
  message: { type: "replica-ack", ...about, copy: KEPT_COPY, bytes: 0, tick },
});
const opened = (tick: number): SourceEvent => ({
  type: "opened",
  open: { copy: KEPT_COPY, bytes: 0, tick },
});
const mirror = () => new ToldTarget({ keeps: false, begins: BEGINS });

test("an owner whose follower has the state sends what came since, and no copy", () => {
  const tell = owner();
  assert.deepEqual(tell(ticked(100, 101)), []);
  const [offer] = tell(opened(100));
  assert.deepEqual(offer, { type: "send", bulk: false, message: copyOf(KEPT_COPY) });
  const words = tell(acknowledged(100)).map((effect) =>
    effect.type === "send" ? effect.message : effect.type,
  );
  assert.deepEqual(words, ["acknowledged", "caught-up", deltaOf(100, 101)]);
  // Another link, and the follower is a tick further.
  tell(ticked(101, 102));
  tell({ type: "link-lost" });
  tell(opened(101));
  const again = tell(acknowledged(101)).flatMap((effect) =>
    effect.type === "send" ? [effect.message] : [],
  );
  assert.deepEqual(again, [deltaOf(101, 102)]);
});

test("an owner whose follower has lost the state begins another copy, and says so", () => {
  const tell = owner();
  tell(opened(100), acknowledged(100));
  const effects = tell({ type: "link-lost" }, { type: "opened", open: {} });
  assert.ok(effects.some((effect) => effect.type === "copying" && effect.again));
  const asks = effects.flatMap((effect) => (effect.type === "thread" ? [effect.message] : []));
  assert.deepEqual(asks, [
    { type: "end-copy", shard, copy: KEPT_COPY },
    { type: "copy", shard, copy: 5 },
  ]);
});

test("a follower that has the state says so, and acknowledges from there on", () => {
  const f = mirror();
  assert.deepEqual(f.tell({ type: "link-up" }), [
    {
      type: "send",
      message: {
        ...{ type: "replica-open", ...about, id: "1f", boot: "b2" },
        ...{ copy: KEPT_COPY, bytes: 0, tick: 100 },
      },
    },
  ]);
  const ack = (tick: number) => ({
    type: "send",
    message: { type: "replica-ack", ...about, copy: KEPT_COPY, bytes: 0, tick },
  });
  assert.deepEqual(f.hear(copyOf(KEPT_COPY)), [ack(100)]);
  // In memory, before its thread has it.
  assert.deepEqual(f.hear(deltaOf(100, 101)).at(-1), ack(101));
});

test("a follower that has the state takes another copy in its place", () => {
  const f = mirror();
  f.tell({ type: "link-up" });
  const types = f.hear(copyOf(3)).map(({ type }) => type);
  assert.deepEqual(types, ["thread", "copying", "replica"]);
});

test("a follower that has another state than its owner begins with ends the stream", () => {
  const f = mirror();
  f.tell({ type: "link-up" });
  const failed = f.hear(copyOf(KEPT_COPY, { tick: 99 })).find(({ type }) => type === "failed");
  assert.ok(failed?.type === "failed" && failed.code === "bad-data");
});
