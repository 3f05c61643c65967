import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import type { ToReplica } from "@atlasnet/core";
import {
  about,
  copyOf,
  definition,
  deltaOf,
  epoch,
  hash,
  inWords,
  pieceOf,
  sealedAt,
  shard,
  ToldTarget,
} from "../testing/told-target.ts";
import { MIRROR_QUEUE_BYTES } from "./bounds.ts";

test("from the first link to the seal", () => {
  const f = new ToldTarget();
  assert.deepEqual(inWords(f.tell({ type: "link-up" })), ["replica-open 1f b2"]);
  const [copying, replica] = f.hear(copyOf(1, { bytes: 4 }));
  assert.deepEqual(copying, { type: "copying", copy: 1, tick: 100, bytes: 4 });
  const state = { tick: 100, timeline: 2, definition };
  assert.deepEqual(replica, { type: "replica", state, tickRate: 20 });
  assert.deepEqual(inWords(f.thread({ type: "replica-open", shard })), ["replica-ack 1 0 0"]);
  assert.deepEqual(f.hear(pieceOf("abcd", 0, true)), [
    {
      type: "thread",
      message: {
        type: "replica-piece",
        shard,
        offset: 0,
        data: pieceOf("abcd", 0, true).data,
        last: true,
      },
    },
  ]);
  assert.deepEqual(inWords(f.at(4, 100)), [
    "replica-ack 1 4 100",
    "caught-up",
    "thread: keep-replica",
  ]);
  assert.deepEqual(inWords(f.thread({ type: "replica-kept", shard, tick: 100 })), [
    "ready",
    "replica-ready 1",
  ]);
  assert.deepEqual(inWords(f.hear(deltaOf(100, 101))), ["thread: replica-delta"]);
  assert.deepEqual(f.target.progress, {
    copy: 1,
    bytes: 4,
    totalBytes: 4,
    whole: true,
    tick: 100,
    lagTicks: 1,
  });
  f.now = 1500;
  assert.deepEqual(f.hear(sealedAt(101)), []);
  f.now = 1510;
  const [acknowledged, sealed] = f.at(4, 101);
  assert.equal(acknowledged?.type, "send");
  assert.deepEqual(sealed, { type: "sealed", tick: 101, receivedAt: 1500, dueAt: 1530 });
  assert.deepEqual(inWords(f.tell({ type: "done", owner: 9 })), ["replica-done 9"]);
  assert.ok(f.target.over);
});

test("a mirror keeps nothing on its disk, and is never ready", () => {
  const f = new ToldTarget({ keeps: false }).opened();
  f.hear(pieceOf("abcd", 0, true));
  assert.deepEqual(inWords(f.at(4, 100)), ["replica-ack 1 4 100", "caught-up"]);
});

test("a mirror answers for what has come, before its thread has it, and for pulses; within a bound", () => {
  const f = new ToldTarget({ keeps: false }).opened();
  f.hear(pieceOf("abcd", 0, true));
  const pulse = (copy: number) => f.hear({ type: "replica-pulse", ...about, copy });
  assert.deepEqual(pulse(1).length, 1, "the copy is not in the thread yet");
  f.at(4, 100);
  assert.deepEqual(inWords(f.hear(deltaOf(100, 101))), [
    "thread: replica-delta",
    "replica-ack 1 4 101",
  ]);
  assert.deepEqual(f.at(4, 101), [], "it was said");
  assert.deepEqual(inWords(pulse(1)), ["replica-ack 1 4 101"]);
  assert.deepEqual(pulse(2), []);
  const data = new Uint8Array(MIRROR_QUEUE_BYTES);
  const large = { ...deltaOf(101, 102), data, crc: crc32(data) };
  assert.deepEqual(inWords(f.hear(large)), ["thread: replica-delta", "replica-ack 1 4 101"]);
  assert.deepEqual(inWords(f.hear(deltaOf(102, 103)))[1], "replica-ack 1 4 101");
  assert.deepEqual(inWords(f.at(4, 102)), ["replica-ack 1 4 103"]);
});

test("a hash that differs ends it, with the tick", () => {
  const f = new ToldTarget().following();
  f.hear(deltaOf(103, 104), sealedAt(104));
  const words = inWords(f.at(4, 104, new Uint8Array(16).fill(4)));
  const [here, there] = ["04".repeat(16), "03".repeat(16)];
  const reason = `the states of tick 104 differ: hash ${here} here, ${there} at the owner`;
  assert.deepEqual(words, [
    "replica-ack 1 4 104",
    `replica-close 1f hash-differs ${reason}`,
    "thread: drop-replica",
    `failed hash-differs: ${reason}`,
  ]);
});

test("where the states differ is said, if the owner tells the hashes of its sections", () => {
  for (const told of [true, false]) {
    const f = new ToldTarget().following();
    const sections = new Uint8Array(48);
    f.hear(deltaOf(103, 104), {
      ...sealedAt(104),
      ...(told && { sections: sections.with(9, 1).with(16, 1) }),
    });
    const other = { hash: new Uint8Array(16).fill(4), sections };
    const words = f.thread({ type: "replica-at", shard, bytes: 4, tick: 104, ...other });
    const where = told ? "differ in entities, keys: hash" : "differ: hash";
    assert.ok(inWords(words).at(-1)?.includes(where));
  }
});

test("a mirror's state is compared wherever the owner tells its hash, and nowhere else", () => {
  const f = new ToldTarget({ keeps: false }).following();
  const told = f.hear({ ...deltaOf(103, 104), hash } as ToReplica, deltaOf(104, 105));
  const asked = told.flatMap((effect) =>
    effect.type === "thread" && effect.message.type === "replica-delta"
      ? [effect.message.hashed]
      : [],
  );
  assert.deepEqual(asked, [true, false]);
  assert.deepEqual(inWords(f.at(4, 104)), []);
  f.at(4, 105);
  f.hear({ ...deltaOf(105, 106), hash } as ToReplica);
  const words = inWords(f.at(4, 106, new Uint8Array(16).fill(4)));
  const [here, there] = ["04".repeat(16), "03".repeat(16)];
  const reason = `the states of tick 106 differ: hash ${here} here, ${there} at the owner`;
  assert.deepEqual(words, [
    `replica-close 1f hash-differs ${reason}`,
    "thread: drop-replica",
    `failed hash-differs: ${reason}`,
  ]);
});

test("over the next link it goes on with what came, taken in or not, and says again that it is ready", () => {
  const f = new ToldTarget().opened();
  f.hear(pieceOf("ab", 0, false));
  f.tell({ type: "link-lost" });
  assert.deepEqual(inWords(f.tell({ type: "link-up" })), ["replica-open 1f b2 1 2"]);
  // Told before the owner has said that it goes on: nothing is acknowledged.
  assert.deepEqual(f.at(2, 0), []);
  assert.deepEqual(inWords(f.hear(copyOf(1, { offset: 2 }))), ["replica-ack 1 2 0"]);
  f.hear(pieceOf("cd", 2, true));
  f.at(4, 100);
  f.thread({ type: "replica-kept", shard, tick: 100 });
  f.hear(deltaOf(100, 101));
  assert.deepEqual(inWords(f.tell({ type: "link-up" })), ["replica-open 1f b2 1 4 101"]);
  const words = inWords(f.hear(copyOf(1, { offset: 4, bytes: 4 })));
  assert.deepEqual(words, ["replica-ack 1 4 100", "replica-ready 1"]);
});

test("another copy takes the place of the first, once the thread has answered about that", () => {
  const f = new ToldTarget();
  f.tell({ type: "link-up" });
  f.hear(copyOf(1));
  assert.deepEqual(f.hear(copyOf(2, { tick: 110 })), []);
  // Of the copy before, on its way when the new one was offered.
  assert.deepEqual(f.hear(pieceOf("ab", 0, false)), []);
  const words = inWords(f.thread({ type: "replica-open", shard }));
  assert.deepEqual(words, ["thread: drop-replica", "copying", "replica"]);
  assert.deepEqual(inWords(f.thread({ type: "replica-open", shard })), ["replica-ack 2 0 0"]);
  assert.deepEqual(inWords(f.hear(copyOf(3, { tick: 120 }))), [
    "thread: drop-replica",
    "copying",
    "replica",
  ]);
  // What the replica before said last.
  assert.deepEqual(f.at(4, 100), []);
});

test("what comes before the owner's copy is of a stream before this one", () => {
  const f = new ToldTarget();
  f.tell({ type: "link-up" });
  const former: ToReplica[] = [
    deltaOf(100, 101),
    { ...deltaOf(100, 101), epoch: epoch - 1 },
    pieceOf("ab", 0, true),
    { type: "replica-pulse", ...about, copy: 1 },
    sealedAt(101),
  ];
  assert.deepEqual(f.hear(...former), []);
  assert.equal(f.target.over, false);
  f.following();
  assert.deepEqual(f.target.progress.tick, 103);
});

test("a lost link is waited for, and then it ends", () => {
  const f = new ToldTarget({ resumeMs: 500 }).following();
  assert.equal(f.target.nextAt, Number.POSITIVE_INFINITY);
  f.tell({ type: "link-lost" });
  assert.equal(f.target.nextAt, 1500);
  f.now = 1499;
  assert.deepEqual(f.tell({ type: "time" }), []);
  f.now = 1500;
  assert.deepEqual(inWords(f.tell({ type: "time" })), [
    "thread: drop-replica",
    "failed failed: no link to the owner for 500 ms",
  ]);
});

test("whoever has the owner's last state goes on without the owner", () => {
  const f = new ToldTarget({ resumeMs: 500 }).following();
  f.hear(sealedAt(103));
  assert.deepEqual(
    f.hear({ type: "replica-close", ...about, id: "1f", code: "ended", reason: "" }),
    [],
  );
  f.tell({ type: "link-lost" });
  assert.equal(f.target.nextAt, Number.POSITIVE_INFINITY);
  assert.ok(!f.target.over);
  assert.deepEqual(inWords(f.tell({ type: "end", code: "ended", reason: "aborted" })), [
    "thread: drop-replica",
  ]);
});

test("the owner's end, the thread's, and one's own", () => {
  const byPeer = new ToldTarget().following();
  const closing = { type: "replica-close", ...about, code: "ended", reason: "aborted" } as const;
  assert.deepEqual(byPeer.hear({ ...closing, id: "1e" }), [], "of another stream");
  const close: ToReplica = { ...closing, id: "1f" };
  assert.deepEqual(byPeer.hear(close), [
    { type: "thread", message: { type: "drop-replica", shard } },
    { type: "failed", code: "ended", reason: "aborted", byPeer: true },
  ]);
  const byThread = new ToldTarget().following();
  const failed = { type: "replica-failed", code: "wrong-module", problem: "no such file" } as const;
  assert.deepEqual(inWords(byThread.tell(failed)), [
    "replica-close 1f wrong-module no such file",
    "failed wrong-module: no such file",
  ]);
  const byShell = new ToldTarget().following();
  const words = inWords(byShell.tell({ type: "end", code: "failed", reason: "x".repeat(3000) }));
  assert.match(words[0] ?? "", /^replica-close 1f failed x{1000}/);
  assert.ok((words[0]?.length ?? 0) < 1100, "longer than a link takes");
  assert.deepEqual(words.slice(1), ["thread: drop-replica"]);
});
