import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import type { ReplicaDelta, ReplicaPiece, ToReplica } from "@atlasnet/core";
import { defineWorld } from "@atlasnet/world";
import { MIRROR_QUEUE_BYTES } from "./bounds.ts";
import { newReplicaCounts } from "./counts.ts";
import { ReplicaTarget } from "./target.ts";
import type {
  ReplicaTargetOptions,
  TargetEffect,
  TargetEvent,
  TargetFact,
} from "./target-types.ts";

const { data: definition } = defineWorld({ name: "mini", components: {} });
const shard = "arena/0";
const epoch = 7;
const about = { shard, epoch };
const hash = new Uint8Array(16).fill(3);

function copyOf(
  copy: number,
  more: { tick?: number; bytes?: number; offset?: number } = {},
): ToReplica {
  const facts = { tick: 100, bytes: 0, offset: 0, timeline: 2, tickRate: 20, definition };
  return { type: "replica-copy", ...about, copy, ...facts, ...more };
}

function pieceOf(text: string, offset: number, last: boolean, copy = 1): ReplicaPiece {
  const data = new TextEncoder().encode(text);
  return { type: "replica-piece", ...about, copy, offset, data, crc: crc32(data), last };
}

function deltaOf(previous: number, tick: number): ReplicaDelta {
  const data = Uint8Array.of(tick & 255);
  return { type: "replica-delta", ...about, previous, tick, data, crc: crc32(data) };
}

const sealedAt = (tick: number): ToReplica => ({
  type: "replica-sealed",
  ...about,
  tick,
  hash,
  dueMs: 30,
});

class Fixture {
  readonly counts = newReplicaCounts();
  readonly target: ReplicaTarget;
  now = 1000;

  constructor(options: Partial<ReplicaTargetOptions> = {}) {
    this.target = new ReplicaTarget(
      { shard, epoch, id: "1f", boot: "b2", keeps: true, ...options },
      { checksum: (bytes) => crc32(bytes), counts: this.counts },
    );
  }

  tell(event: TargetEvent): readonly TargetEffect[] {
    return this.target.handle(event, this.now);
  }

  hear(...messages: ToReplica[]): readonly TargetEffect[] {
    return messages.flatMap((message) => this.tell({ type: "message", message }));
  }

  thread(...facts: TargetFact[]): readonly TargetEffect[] {
    return facts.flatMap((message) => this.tell({ type: "thread", message }));
  }

  at(bytes: number, tick: number, its: Uint8Array = hash): readonly TargetEffect[] {
    const of = tick > 0 ? { hash: its } : {};
    return this.thread({ type: "replica-at", shard, bytes, tick, ...of });
  }

  /** A link, a copy that the thread waits for. */
  opened(): this {
    this.tell({ type: "link-up" });
    this.hear(copyOf(1));
    this.thread({ type: "replica-open", shard });
    return this;
  }

  /** The whole copy of tick 100, "abcd", and two deltas. */
  following(): this {
    this.opened().hear(pieceOf("ab", 0, false), pieceOf("cd", 2, true));
    this.at(4, 100);
    this.hear(deltaOf(100, 101), deltaOf(101, 103));
    this.at(4, 103);
    return this;
  }
}

/** What is sent, and what is told the shell, in words. */
function inWords(effects: readonly TargetEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.type === "send") {
      const { type, shard: _, epoch: __, ...rest } = effect.message;
      return [type, ...Object.values(rest)].join(" ");
    }
    if (effect.type === "thread") return `thread: ${effect.message.type}`;
    if (effect.type === "failed") return `failed ${effect.code}: ${effect.reason}`;
    return effect.type;
  });
}

test("from the first link to the seal", () => {
  const f = new Fixture();
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
  const f = new Fixture({ keeps: false }).opened();
  f.hear(pieceOf("abcd", 0, true));
  assert.deepEqual(inWords(f.at(4, 100)), ["replica-ack 1 4 100", "caught-up"]);
});

test("a mirror answers for what has come, before its thread has it, and for pulses; within a bound", () => {
  const f = new Fixture({ keeps: false }).opened();
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

/** What comes, after what, and why it ends the stream. */
const REFUSED: readonly [string, (f: Fixture) => void, readonly ToReplica[], string][] = [
  [
    "another epoch",
    (f) => f.following(),
    [{ ...deltaOf(103, 104), epoch: 8 }],
    "wrong-epoch: replica-delta of epoch 8, not of 7",
  ],
  ["a copy that is not newer", (f) => f.opened(), [copyOf(0)], "bad-data: copy 0 comes after 1"],
  [
    "a copy of which the start is missing",
    (f) => f.tell({ type: "link-up" }),
    [copyOf(1, { offset: 5 })],
    "bad-data: copy 1 begins at byte 5, nothing is here",
  ],
  [
    "a copy before the first tick",
    (f) => f.tell({ type: "link-up" }),
    [copyOf(1, { tick: 0 })],
    "bad-data: copy 1 is of no tick",
  ],
  [
    "the same copy from elsewhere",
    (f) => f.opened(),
    [copyOf(1, { offset: 2 })],
    "bad-data: copy 1 goes on at byte 2, 0 are here",
  ],
  [
    "the same copy of another tick",
    (f) => f.opened(),
    [copyOf(1, { tick: 99 })],
    "bad-data: copy 1 is of tick 99, timeline 2, and was another state before",
  ],
  [
    "the same copy of another length",
    (f) => f.following(),
    [copyOf(1, { offset: 4, bytes: 5 })],
    "bad-data: copy 1 has 5 bytes, and had 4 before",
  ],
  [
    "a state that is too large, as it says",
    (f) => f.tell({ type: "link-up" }),
    [copyOf(1, { bytes: 11 })],
    "too-slow: a state of 11 bytes, this node takes 10 at most",
  ],
  [
    "a state that is too large, as it comes",
    (f) => f.opened(),
    [pieceOf("123456789abc", 0, false)],
    "too-slow: a state of 12 bytes, this node takes 10 at most",
  ],
  [
    "a piece before the thread waits for it",
    (f) => f.tell({ type: "link-up" }),
    [copyOf(1), pieceOf("ab", 0, false)],
    "bad-data: a piece of copy 1 came before this side waited for it",
  ],
  [
    "a piece of a copy that was not offered",
    (f) => f.opened(),
    [pieceOf("ab", 0, false, 2)],
    "bad-data: a piece of copy 2 came before this side waited for it",
  ],
  [
    "a piece twice",
    (f) => f.opened(),
    [pieceOf("ab", 0, false), pieceOf("ab", 0, false)],
    "bad-data: the copy's piece begins at byte 0, not at 2",
  ],
  [
    "a piece that leaves something out",
    (f) => f.opened(),
    [pieceOf("ab", 1, false)],
    "bad-data: the copy's piece begins at byte 1, not at 0",
  ],
  [
    "a piece after the last",
    (f) => f.following(),
    [pieceOf("e", 4, true)],
    "bad-data: the copy's piece comes after the last one, at byte 4",
  ],
  [
    "a damaged piece",
    (f) => f.opened(),
    [{ ...pieceOf("ab", 0, false), crc: 1 }],
    "bad-data: the copy's piece at byte 0 is damaged",
  ],
  [
    "an empty piece",
    (f) => f.opened(),
    [pieceOf("", 0, false)],
    "bad-data: the copy's piece at byte 0 is empty",
  ],
  [
    "a delta before the copy is whole",
    (f) => f.opened(),
    [deltaOf(100, 101)],
    "bad-data: the delta of tick 101 comes before the copy is whole",
  ],
  [
    "a delta twice",
    (f) => f.following(),
    [deltaOf(101, 103)],
    "bad-data: the delta of tick 103 follows tick 101, this state is of tick 103",
  ],
  [
    "a delta that leaves something out",
    (f) => f.following(),
    [deltaOf(104, 105)],
    "bad-data: the delta of tick 105 follows tick 104, this state is of tick 103",
  ],
  [
    "a delta that goes back",
    (f) => f.following(),
    [deltaOf(103, 103)],
    "bad-data: the delta of tick 103 goes back, from tick 103",
  ],
  [
    "a damaged delta",
    (f) => f.following(),
    [{ ...deltaOf(103, 104), crc: 1 }],
    "bad-data: the delta of tick 104 is damaged",
  ],
  [
    "a delta after the seal",
    (f) => f.following(),
    [deltaOf(103, 104), sealedAt(104), deltaOf(104, 105)],
    "bad-data: a delta of tick 105 came after the seal at 104",
  ],
  [
    "a seal at another tick",
    (f) => f.following(),
    [sealedAt(104)],
    "bad-data: sealed at tick 104, this state is of tick 103",
  ],
  [
    "a seal before the copy is whole",
    (f) => f.opened(),
    [sealedAt(100)],
    "bad-data: sealed at tick 100, this state is of tick 0",
  ],
  [
    "two hashes of one tick",
    (f) => f.following(),
    [deltaOf(103, 104), sealedAt(104), { ...sealedAt(104), hash: new Uint8Array(16) } as ToReplica],
    "bad-data: two hashes of tick 104",
  ],
];

for (const [what, before, messages, problem] of REFUSED)
  test(`refused: ${what}`, () => {
    const f = new Fixture({ maxStateBytes: 10 });
    before(f);
    const effects = f.hear(...messages);
    assert.equal(inWords(effects).at(-1), `failed ${problem}`);
    const [code = "", reason = ""] = problem.split(": ", 2);
    const hadReplica =
      f.counts.piecesReceived > 0 || effects.some(({ type }) => type === "replica");
    const told = inWords(effects).find((words) => words.startsWith("replica-close"));
    assert.ok(told?.startsWith(`replica-close 1f ${code} ${reason}`), told);
    if (hadReplica) assert.ok(inWords(effects).includes("thread: drop-replica"));
    assert.ok(f.target.over);
    assert.deepEqual(f.hear(copyOf(9)), []);
    assert.equal(f.counts.failures, 1);
  });

test("refused: a state of another length than was announced", () => {
  for (const [pieces, end] of [
    [[pieceOf("abcde", 0, false)], "5, of 4"],
    [[pieceOf("abc", 0, true)], "3 as the last one, of 4"],
    [[pieceOf("abcd", 0, false)], "4, of 4"],
  ] as const) {
    const f = new Fixture();
    f.tell({ type: "link-up" });
    f.hear(copyOf(1, { bytes: 4 }));
    f.thread({ type: "replica-open", shard });
    const words = inWords(f.hear(...pieces));
    assert.equal(words.at(-1), `failed bad-data: the copy's piece ends at byte ${end}`);
  }
});

test("refused: more than the world thread takes in", () => {
  const f = new Fixture().opened();
  f.hear(pieceOf("abcd", 0, true));
  const data = new Uint8Array(30 * 1024 * 1024);
  const crc = crc32(data);
  const deltas = [100, 101, 102].map((tick) => ({ ...deltaOf(tick, tick + 1), data, crc }));
  assert.match(inWords(f.hear(...deltas)).at(-1) ?? "", /^failed too-slow: \d+ bytes wait/);
});

test("a hash that differs ends it, with the tick", () => {
  const f = new Fixture().following();
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
    const f = new Fixture().following();
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

test("over the next link it goes on with what came, taken in or not, and says again that it is ready", () => {
  const f = new Fixture().opened();
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
  const f = new Fixture();
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
  const f = new Fixture();
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
  const f = new Fixture({ resumeMs: 500 }).following();
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
  const f = new Fixture({ resumeMs: 500 }).following();
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
  const byPeer = new Fixture().following();
  const closing = { type: "replica-close", ...about, code: "ended", reason: "aborted" } as const;
  assert.deepEqual(byPeer.hear({ ...closing, id: "1e" }), [], "of another stream");
  const close: ToReplica = { ...closing, id: "1f" };
  assert.deepEqual(byPeer.hear(close), [
    { type: "thread", message: { type: "drop-replica", shard } },
    { type: "failed", code: "ended", reason: "aborted", byPeer: true },
  ]);
  const byThread = new Fixture().following();
  const failed = { type: "replica-failed", code: "wrong-module", problem: "no such file" } as const;
  assert.deepEqual(inWords(byThread.tell(failed)), [
    "replica-close 1f wrong-module no such file",
    "failed wrong-module: no such file",
  ]);
  const byShell = new Fixture().following();
  const words = inWords(byShell.tell({ type: "end", code: "failed", reason: "x".repeat(3000) }));
  assert.match(words[0] ?? "", /^replica-close 1f failed x{1000}/);
  assert.ok((words[0]?.length ?? 0) < 1100, "longer than a link takes");
  assert.deepEqual(words.slice(1), ["thread: drop-replica"]);
});
