import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import type { ReplicaAck } from "@atlasnet/core";
import { defineWorld } from "@atlasnet/world";
import { newReplicaCounts } from "./counts.ts";
import { ReplicaSource } from "./source.ts";
import type {
  ReplicaSourceOptions,
  SourceEffect,
  SourceEvent,
  SourceFact,
} from "./source-types.ts";

const { data: definition } = defineWorld({ name: "mini", components: {} });
const shard = "arena/0";
const epoch = 7;
const hash = new Uint8Array(16).fill(3);
const sections = new Uint8Array(48).fill(5);
const OPEN: SourceEvent = { type: "opened", open: {} };

function deltaOf(previous: number, tick: number, bytes = 1): SourceFact {
  return { type: "delta", shard, previous, tick, data: new Uint8Array(bytes) };
}

function sealedAt(tick: number): SourceFact {
  return { type: "sealed", shard, tick, hash, sections, dueMs: 40 };
}

class Fixture {
  readonly counts = newReplicaCounts();
  readonly source: ReplicaSource;
  now = 1000;
  private copies = 4;

  constructor(options: Partial<ReplicaSourceOptions> = {}) {
    this.source = new ReplicaSource(
      {
        shard,
        epoch,
        id: "1f",
        pieceBytes: 4,
        windowBytes: 8,
        bytesPerSecond: 1_000_000,
        ...options,
      },
      {
        nextCopy: () => ++this.copies,
        checksum: (bytes) => crc32(bytes),
        counts: this.counts,
      },
    );
  }

  tell(...events: SourceEvent[]): string[] {
    return events.flatMap((event) => inWords(this.source.handle(event, this.now)));
  }

  effects(event: SourceEvent): readonly SourceEffect[] {
    return this.source.handle(event, this.now);
  }

  thread(...facts: SourceFact[]): string[] {
    return facts.flatMap((message) => this.tell({ type: "thread", message }));
  }

  begun(copy: number, tick = 100): string[] {
    const facts = { tick, timeline: 2, tickRate: 20, definition };
    return this.thread({ type: "copy-begun", shard, copy, ...facts });
  }

  piece(copy: number, offset: number, bytes: number, last = false): string[] {
    const data = new Uint8Array(bytes);
    return this.thread({ type: "copy-piece", shard, copy, offset, data, last });
  }

  ack(copy: number, bytes: number, tick = 0): string[] {
    const message: ReplicaAck = { type: "replica-ack", shard, epoch, copy, bytes, tick };
    return this.tell({ type: "message", message });
  }

  /** Copy 5, of tick 100 and six bytes, is at the follower. */
  copied(): this {
    this.tell(OPEN);
    this.begun(5);
    this.ack(5, 0);
    this.piece(5, 0, 4);
    this.piece(5, 4, 2, true);
    this.ack(5, 6, 100);
    return this;
  }
}

function inWords(effects: readonly SourceEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.type === "thread") {
      const { type, shard: _, ...rest } = effect.message;
      return ["thread:", type, ...Object.values(rest)].join(" ");
    }
    if (effect.type === "failed") return `failed ${effect.code}: ${effect.reason}`;
    if (effect.type !== "send") return Object.values(effect).join(" ");
    const { message, bulk } = effect;
    const words: (string | number)[] = [bulk ? `bulk ${message.type}` : message.type];
    if (message.type === "replica-copy") words.push(message.copy, message.bytes, message.offset);
    else if (message.type === "replica-piece")
      words.push(message.copy, message.offset, message.last ? "last" : "");
    else if (message.type === "replica-delta") words.push(message.previous, message.tick);
    else if (message.type === "replica-sealed") words.push(message.tick, message.dueMs);
    else if (message.type === "replica-pulse") words.push(message.copy);
    else words.push(message.id, message.code, message.reason);
    return words.join(" ").trimEnd();
  });
}

test("from the ticket to the switch", () => {
  const f = new Fixture();
  assert.deepEqual(f.tell(OPEN), ["thread: copy 5", "copying 5 false"]);
  assert.deepEqual(f.begun(5), ["replica-copy 5 0 0"]);
  assert.deepEqual(f.ack(5, 0), ["thread: read-copy 5 0 4"]);
  assert.deepEqual(f.thread(deltaOf(100, 101)), []);
  // The window has room for two pieces.
  assert.deepEqual(f.piece(5, 0, 4), ["bulk replica-piece 5 0", "thread: read-copy 5 4 4"]);
  assert.deepEqual(f.piece(5, 4, 4), ["bulk replica-piece 5 4"]);
  assert.deepEqual(f.ack(5, 4), ["thread: read-copy 5 8 4"]);
  assert.deepEqual(f.piece(5, 8, 1, true), ["bulk replica-piece 5 8 last"]);
  assert.deepEqual(f.ack(5, 8), []);
  assert.deepEqual(f.source.progress, {
    copy: 5,
    copies: 1,
    bytes: 8,
    totalBytes: 9,
    whole: false,
    lagTicks: 1,
    lagBytes: 65,
  });
  assert.deepEqual(f.ack(5, 9, 100), [
    "copied 9 100",
    "acknowledged 100",
    "caught-up",
    "replica-delta 100 101",
  ]);
  // The delta in flight is larger than the window.
  assert.deepEqual(f.thread(deltaOf(101, 103)), ["lagging"]);
  const acknowledged = f.ack(5, 9, 101);
  assert.deepEqual(acknowledged, ["acknowledged 101", "caught-up", "replica-delta 101 103"]);
  const ready: SourceEvent = {
    type: "message",
    message: { type: "replica-ready", shard, epoch, copy: 5 },
  };
  assert.deepEqual(f.tell(ready), ["ready"]);
  assert.deepEqual(f.thread(sealedAt(103)), ["replica-sealed 103 40"]);
  assert.deepEqual(f.ack(5, 9, 103), ["acknowledged 103"]);
  const done: SourceEvent = {
    type: "message",
    message: { type: "replica-done", shard, epoch, owner: 12 },
  };
  assert.deepEqual(f.tell(done), ["thread: end-copy 5", "done 12"]);
  assert.deepEqual(f.thread(deltaOf(103, 104)), []);
});

test("a shard that stands still is sealed behind all its deltas; the time that passed counts", () => {
  const f = new Fixture();
  f.tell(OPEN);
  f.begun(5);
  f.ack(5, 0);
  f.thread(deltaOf(100, 101), sealedAt(101));
  f.piece(5, 0, 0, true);
  f.now = 1030;
  const words = f.ack(5, 0, 100).slice(-2);
  assert.deepEqual(words, ["replica-delta 100 101", "replica-sealed 101 10"]);
});

test("a mirror that has the copy is told that the owner is there", () => {
  const f = new Fixture();
  assert.deepEqual(f.tell({ type: "pulse" }), []);
  assert.deepEqual(f.copied().tell({ type: "pulse" }), ["replica-pulse 5"]);
  f.tell({ type: "link-lost" });
  assert.deepEqual(f.tell({ type: "pulse" }), []);
});

test("pieces leave at the rate", () => {
  const f = new Fixture({ bytesPerSecond: 1000, pieceBytes: 100, windowBytes: 10_000 });
  f.tell(OPEN);
  f.begun(5);
  f.ack(5, 0);
  // What may be lent ahead is 20 bytes: the other 80 take 80 ms.
  assert.deepEqual(f.piece(5, 0, 100), ["bulk replica-piece 5 0"]);
  assert.equal(f.source.nextAt, 1080);
  f.now = 1079;
  assert.deepEqual(f.tell({ type: "time" }), []);
  f.now = 1080;
  assert.deepEqual(f.tell({ type: "time" }), ["thread: read-copy 5 100 100"]);
});

test("over another link it goes on from where the follower is", () => {
  const f = new Fixture();
  f.tell(OPEN);
  f.begun(5);
  f.ack(5, 0);
  f.piece(5, 0, 4);
  f.piece(5, 4, 4);
  f.tell({ type: "link-lost" });
  f.thread(deltaOf(100, 101));
  assert.deepEqual(f.tell({ type: "opened", open: { copy: 5, bytes: 4 } }), ["replica-copy 5 0 4"]);
  assert.deepEqual(f.ack(5, 0), ["bulk replica-piece 5 4"]);
  f.ack(5, 8);
  f.piece(5, 8, 0, true);
  // All of the copy is there, the word of it was lost.
  const whole = f.tell({ type: "opened", open: { copy: 5, bytes: 8, tick: 100 } });
  assert.deepEqual(whole, ["replica-copy 5 8 8"]);
  assert.equal(f.ack(5, 8, 100).at(-1), "replica-delta 100 101");
  f.thread(deltaOf(101, 102), sealedAt(102));
  f.tell({ type: "opened", open: { copy: 5, bytes: 8, tick: 101 } });
  const rest = f.ack(5, 8, 101).slice(-2);
  assert.deepEqual(rest, ["replica-delta 101 102", "replica-sealed 102 40"]);
  assert.equal(f.counts.resumes, 3);
  assert.equal(f.counts.restarts, 0);
});

test("a follower that had heard of no copy yet is offered the same one", () => {
  const f = new Fixture();
  f.tell(OPEN, { type: "link-lost" });
  assert.deepEqual(f.begun(5), []);
  assert.deepEqual(f.tell(OPEN), ["replica-copy 5 0 0"]);
  assert.deepEqual(f.tell(OPEN), ["replica-copy 5 0 0"]);
  assert.equal(f.source.progress.copies, 1);
});

test("a follower that cannot be gone on with gets another copy", () => {
  const places = [
    {},
    { copy: 4, bytes: 6, tick: 101 },
    { copy: 5, bytes: 3 },
    { copy: 5, bytes: 6 },
    { copy: 5, bytes: 6, tick: 100 },
    { copy: 5, bytes: 6, tick: 104 },
    { copy: 5, bytes: 5, tick: 102 },
  ];
  for (const open of places) {
    const f = new Fixture({ windowBytes: 10_000 }).copied();
    f.thread(deltaOf(100, 101), deltaOf(101, 102));
    f.ack(5, 6, 101);
    const words = f.tell({ type: "opened", open });
    assert.deepEqual(
      words.filter((word) => word !== "lagging"),
      ["thread: end-copy 5", "thread: copy 6", "copying 6 true"],
      JSON.stringify(open),
    );
    assert.equal(f.counts.restarts, 1);
    // What is still told of the copy before, and by deltas before the new one, is of no account.
    assert.deepEqual(f.piece(5, 6, 1), []);
    assert.deepEqual(f.thread(deltaOf(102, 103)), []);
    assert.deepEqual(f.ack(5, 6, 102), []);
    assert.deepEqual(f.begun(6, 103), ["replica-copy 6 0 0"]);
  }
});

for (const [bound, options] of [
  ["2 ticks", { maxKeptDeltas: 2 }],
  ["200 bytes", { maxKeptDeltaBytes: 200 }],
] as const)
  test(`more than ${bound} behind: another copy, then it is too slow`, () => {
    const f = new Fixture({ ...options, maxCopies: 2 });
    f.tell(OPEN);
    f.begun(5);
    assert.deepEqual(f.thread(deltaOf(100, 101, 30), deltaOf(101, 102, 30)), []);
    const again = ["thread: end-copy 5", "thread: copy 6", "copying 6 true"];
    assert.deepEqual(f.thread(deltaOf(102, 103, 30)), again);
    f.begun(6, 103);
    const words = f.thread(deltaOf(103, 104, 30), deltaOf(104, 105, 30), deltaOf(105, 106, 30));
    const reason = `the follower is more than ${bound} behind, after 2 copies`;
    assert.deepEqual(words, [
      "thread: end-copy 6",
      `replica-close 1f too-slow ${reason}`,
      `failed too-slow: ${reason}`,
    ]);
  });

test("without a link, another copy waits for one", () => {
  const f = new Fixture({ maxKeptDeltas: 1 }).copied();
  f.tell({ type: "link-lost" });
  assert.deepEqual(f.thread(deltaOf(100, 101), deltaOf(101, 102)), ["thread: end-copy 5"]);
  assert.deepEqual(f.tell(OPEN), ["thread: copy 6", "copying 6 true"]);
});

test("a lost link is waited for, and then it ends; who asks again is told so", () => {
  const f = new Fixture({ resumeMs: 500 }).copied();
  f.tell({ type: "link-lost" });
  assert.equal(f.source.nextAt, 1500);
  f.now = 1500;
  const reason = "no link to the follower for 500 ms";
  assert.deepEqual(f.tell({ type: "time" }), ["thread: end-copy 5", `failed failed: ${reason}`]);
  assert.deepEqual(f.tell(OPEN), [`replica-close 1f failed ${reason}`]);
});

/** What the follower says that it cannot have meant. */
const REFUSED: readonly [string, (f: Fixture) => string[], string][] = [
  [
    "bytes that were not sent",
    (f) => f.ack(5, 9, 100),
    "bad-data: the follower says it is at byte 9, tick 100",
  ],
  [
    "a tick that was not sent",
    (f) => f.ack(5, 6, 102),
    "bad-data: the follower says it is at byte 6, tick 102",
  ],
  [
    "a tick before the last one",
    (f) => f.ack(5, 6, 99),
    "bad-data: the follower says it is at byte 6, tick 99",
  ],
  [
    "that the copy is not whole, after all",
    (f) => f.ack(5, 6),
    "bad-data: the follower says it is at byte 6, tick 0",
  ],
  [
    "a copy that there never was",
    (f) => f.ack(6, 0),
    "bad-data: replica-ack of copy 6, which there never was",
  ],
  [
    "another epoch",
    (f) => {
      const about = { shard, epoch: 8, copy: 5 };
      return f.tell({ type: "message", message: { type: "replica-ready", ...about } });
    },
    "wrong-epoch: replica-ready of epoch 8, not of 7",
  ],
];

for (const [what, say, problem] of REFUSED)
  test(`refused: ${what}`, () => {
    const f = new Fixture().copied();
    const words = say(f);
    const close = `replica-close 1f ${problem.replace(": ", " ")}`;
    assert.deepEqual(
      words.toSorted(),
      [close, "thread: end-copy 5", `failed ${problem}`].toSorted(),
    );
    assert.ok(f.source.over);
    assert.equal(f.counts.failures, 1);
  });

test("a world thread that does not give what was asked for ends it", () => {
  const wrong: readonly [(f: Fixture) => string[], RegExp][] = [
    [(f) => f.piece(5, 6, 1), /piece at byte 6 is not its next one/],
    [(f) => f.thread(deltaOf(101, 102)), /the delta of tick 102 follows tick 101, not 100/],
    [(f) => f.thread(sealedAt(101)), /sealed at tick 101, the last delta is of 100/],
    [(f) => f.tell({ type: "copy-failed", problem: "out of memory" }), /out of memory/],
    [(f) => f.tell({ type: "copy-failed", copy: 5, problem: "out of memory" }), /out of memory/],
  ];
  for (const [say, reason] of wrong) {
    const f = new Fixture().copied();
    const last = say(f).at(-1) ?? "";
    assert.match(last, /^failed failed: /);
    assert.match(last, reason);
  }
});

test("a copy that fails for another follower of the shard does not end this one", () => {
  const f = new Fixture().copied();
  assert.deepEqual(f.tell({ type: "copy-failed", copy: 4, problem: "out of memory" }), []);
  assert.equal(f.source.progress.copy, 5);
});

test("the follower's end, and one's own", () => {
  const byPeer = new Fixture().copied();
  const about = { shard, epoch, id: "1f", code: "wrong-module", reason: "upgrade threw" } as const;
  const former = { type: "replica-close", ...about, id: "1e" } as const;
  assert.deepEqual(byPeer.tell({ type: "message", message: former }), [], "of another stream");
  const closed = byPeer.source.handle(
    { type: "message", message: { type: "replica-close", ...about } },
    1000,
  );
  const { code, reason } = about;
  assert.deepEqual(closed.at(-1), { type: "failed", code, reason, byPeer: true });
  assert.deepEqual(inWords(closed), ["thread: end-copy 5", "failed wrong-module: upgrade threw"]);
  const byShell = new Fixture().copied();
  const end = { type: "end", code: "ended", reason: "aborted" } as const;
  assert.deepEqual(byShell.tell(end), ["replica-close 1f ended aborted", "thread: end-copy 5"]);
});

test("the hash that the thread tells of a state goes with its delta, on each link", () => {
  const f = new Fixture().copied();
  const hashes: (Uint8Array | undefined)[] = [];
  const note = (effects: readonly SourceEffect[]) => {
    for (const effect of effects)
      if (effect.type === "send" && effect.message.type === "replica-delta")
        hashes.push(effect.message.hash);
  };
  const hash = new Uint8Array(16).fill(3);
  const state = { hash, sections: new Uint8Array(48) };
  const delta = { type: "delta", shard, data: new Uint8Array(2) } as const;
  note(f.effects({ type: "thread", message: { ...delta, previous: 100, tick: 101 } }));
  note(f.effects({ type: "thread", message: { ...delta, previous: 101, tick: 102, ...state } }));
  const ack: ReplicaAck = { type: "replica-ack", shard, epoch, copy: 5, bytes: 6, tick: 101 };
  note(f.effects({ type: "message", message: ack }));
  assert.deepEqual(hashes, [undefined, hash]);
  f.tell({ type: "link-lost" });
  f.tell({ type: "opened", open: { copy: 5, bytes: 6, tick: 101 } });
  note(f.effects({ type: "message", message: ack }));
  assert.deepEqual(hashes, [undefined, hash, hash]);
});
