import assert from "node:assert/strict";
import { test } from "node:test";
import { defineWorld, quantized, uint } from "@atlasnet/world";
import fc from "fast-check";
import { goldenLinkMessages } from "../testing/golden.ts";
import { encodeCbor } from "./cbor.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  isSpoken,
  LinkMessageError,
  linkMessageProblem,
  MAX_REASON_BYTES,
  MAX_REPLICA_PIECE_BYTES,
} from "./link-codec.ts";
import type { LinkMessage } from "./link-messages.ts";
import { LINK_VERSIONS } from "./link-version.ts";

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));

const { data: definition } = defineWorld({
  name: "mini",
  components: {
    place: { x: quantized({ min: 0, max: 10, step: 0.5 }) },
    hp: { points: uint(100) },
  },
});

const about = { shard: "arena", epoch: 7, attach: 300 };
const stream = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);

const replica = { shard: "arena/0", epoch: 2 ** 40 };

const messages: { [T in LinkMessage["type"]]: Extract<LinkMessage, { type: T }> } = {
  attach: {
    type: "attach",
    ...about,
    account: "ann",
    name: "Änn",
    data: { team: "red", scores: [1, -2, 0.5] },
    session: 2 ** 40,
    stream,
    attempt: 2,
    firstUnacked: 5,
    lastReceived: 4,
    timeline: 1,
    welcomed: 3,
    schema: stream,
    params: new Uint8Array([255]),
  },
  watch: { type: "watch", ...about, topic: "cell/1,2", authorized: false },
  detach: { type: "detach", ...about },
  leave: { type: "leave", ...about },
  upstream: {
    type: "upstream",
    shard: "arena",
    epoch: 2 ** 48 + 5,
    batch: new Uint8Array([1, 2]),
    trace: new Uint8Array(27).fill(1),
  },
  attached: {
    type: "attached",
    ...about,
    session: 12,
    account: "ann",
    name: "",
    attempt: 3,
    timeline: 1,
    tick: 100_000,
    tickRate: 20,
    schema: stream,
    definition,
    appliedSeq: 4,
    outSeq: 9,
    lastInput: 77,
    graceTicks: 600,
  },
  watching: { type: "watching", ...about, definition },
  closed: { type: "closed", ...about, code: "kicked", reason: "no shouting" },
  transfer: { type: "transfer", ...about, world: "lobby" },
  notice: { type: "notice", shard: "arena", epoch: 7, kind: "dev-error", text: "" },
  downstream: { type: "downstream", shard: "arena", epoch: 7, batch: new Uint8Array(0), ageMs: 12 },
  "shard-reset": { type: "shard-reset", shard: "arena", epoch: 8 },
  hosting: { type: "hosting", worlds: [{ world: "arena", shard: "arena/0", epoch: 2 ** 40 }] },
  placed: { type: "placed", world: "arena", shard: "arena/0", epoch: 2 ** 40 },
  "shard-sealed": { type: "shard-sealed", shard: "arena", epoch: 7, to: "gs-2" },
  "shard-unsealed": { type: "shard-unsealed", shard: "arena", epoch: 7 },
  "replica-open": {
    type: "replica-open",
    ...replica,
    id: "00ff00ff00ff00ff",
    boot: "b2",
    copy: 3,
    bytes: 2 ** 33,
    tick: 100_000,
  },
  "replica-ack": { type: "replica-ack", ...replica, copy: 3, bytes: 2 ** 33, tick: 0 },
  "replica-ready": { type: "replica-ready", ...replica, copy: 3 },
  "replica-done": { type: "replica-done", ...replica, owner: 2 ** 40 + 1 },
  "replica-close": {
    type: "replica-close",
    ...replica,
    id: "0011223344556677",
    code: "hash-differs",
    reason: "at tick 9",
  },
  "replica-copy": {
    type: "replica-copy",
    ...replica,
    copy: 3,
    tick: 100_000,
    bytes: 2 ** 33,
    offset: 0,
    timeline: 1,
    tickRate: 20,
    definition,
  },
  "replica-piece": {
    type: "replica-piece",
    ...replica,
    copy: 3,
    offset: 2 ** 33,
    data: new Uint8Array([1, 2]),
    crc: 2 ** 32 - 1,
    last: true,
  },
  "replica-delta": {
    type: "replica-delta",
    ...replica,
    previous: 99_999,
    tick: 100_000,
    data: new Uint8Array(0),
    crc: 0,
    hash: new Uint8Array(16).fill(8),
    sections: new Uint8Array(48).fill(6),
  },
  "replica-pulse": { type: "replica-pulse", ...replica, copy: 2 },
  "replica-sealed": {
    type: "replica-sealed",
    ...replica,
    tick: 100_000,
    hash: new Uint8Array(16).fill(9),
    sections: new Uint8Array(48).fill(7),
    dueMs: 42,
  },
  raft: { type: "raft", group: "control", body: new Uint8Array([9, 8]) },
  call: { type: "call", group: "control", id: 2 ** 33, method: "m", body: new Uint8Array([1]) },
  answer: { type: "answer", group: "control", id: 2 ** 33, code: "ok", body: new Uint8Array(0) },
};
const all = Object.values(messages);

/** The messages as a version has them: without what came later. */
function asOf(version: number): { readonly [type: string]: LinkMessage } {
  const { trace, ...untraced } = messages.upstream;
  if (version >= 4) return messages;
  const { welcomed, ...attach } = messages.attach;
  const third = Object.fromEntries(
    Object.entries({ ...messages, attach }).filter(
      ([type]) => !/^(placed|shard-sealed|shard-unsealed|replica-.*)$/.test(type),
    ),
  );
  if (version >= 3) return third;
  const { raft, call, answer, ...older } = third;
  return version >= 2 ? older : { ...older, upstream: untraced };
}

for (const version of [1, 2, 3, 4])
  test(`version ${version}: every message has its golden bytes, whoever decodes them since`, () => {
    const golden = goldenLinkMessages(version);
    const written = Object.entries(asOf(version)).map(([type, message]) => [
      type,
      hexOf(encodeLinkMessage(message, version)),
    ]);
    assert.deepEqual(Object.fromEntries(written), golden);
    for (let reader = version; reader <= LINK_VERSIONS.newest; reader++)
      for (const [type, message] of Object.entries(asOf(version))) {
        const decoded = decodeLinkMessage(bytesOf(golden[type] ?? ""), reader);
        assert.ok(decoded.ok, JSON.stringify(decoded));
        assert.deepStrictEqual(decoded.message, message);
      }
  });

test("there are golden bytes of every version that is spoken, and what is new is in the newest", () => {
  for (let version = LINK_VERSIONS.oldest; version <= LINK_VERSIONS.newest; version++)
    assert.deepEqual(
      Object.keys(goldenLinkMessages(version)).sort(),
      Object.keys(asOf(version)).sort(),
    );
  const news = (version: number) => {
    const [older, newer] = [goldenLinkMessages(version - 1), goldenLinkMessages(version)];
    return Object.keys(newer).filter((type) => newer[type] !== older[type]);
  };
  assert.deepEqual(news(2), ["upstream"]);
  assert.deepEqual(news(3), ["raft", "call", "answer"]);
  assert.deepEqual(news(4).length, 14);
});

test("optional fields may be absent or undefined, others not", () => {
  const { session, timeline, welcomed, schema, params, ...bare } = messages.attach;
  const decoded = decodeLinkMessage(encodeLinkMessage(bare));
  assert.ok(decoded.ok);
  assert.deepStrictEqual(decoded.message, bare);
  assert.ok(session && timeline && welcomed && schema && params);
  for (const message of all)
    for (const key of Object.keys(message)) {
      const cut = Object.fromEntries(Object.entries(message).filter(([k]) => k !== key));
      const isOptional = ["session", "timeline", "welcomed", "schema", "params"].includes(key);
      if (message.type === "attach" && isOptional) continue;
      if (message.type === "attached" && key === "definition") continue;
      if (["trace", "ageMs", "sections"].includes(key)) continue;
      if (message.type === "replica-delta" && key === "hash") continue;
      const saysWhere = ["copy", "bytes", "tick"].includes(key);
      if (message.type === "replica-open" && saysWhere) continue;
      assert.notEqual(linkMessageProblem(cut), undefined, `${message.type} without ${key}`);
    }
});

test("every field is checked, and unknown ones are refused", () => {
  const wrong = [-1, 1.5, 2 ** 53, "x".repeat(70_000), Symbol("no"), [[]], new Uint8Array(70_000)];
  for (const message of all) {
    const isReplica = message.type === "replica-piece" || message.type === "replica-delta";
    for (const key of Object.keys(message)) {
      const isLong = key === "batch" || key === "body" || (isReplica && key === "data");
      for (const value of isLong ? wrong.slice(0, -1) : wrong) {
        const isPlain = message.type === "attach" && key === "data";
        if (isPlain && (typeof value === "number" || Array.isArray(value))) continue;
        const problem = linkMessageProblem({ ...message, [key]: value });
        assert.notEqual(
          problem,
          undefined,
          `${message.type}.${key} = ${String(value).slice(0, 9)}`,
        );
      }
    }
    assert.equal(
      linkMessageProblem({ ...message, extra: 1 }),
      `${message.type}: unknown field extra`,
    );
  }
});

test("problems name the message and the field", () => {
  const problemOf = (value: unknown) => {
    const decoded = decodeLinkMessage(encodeCbor(value));
    return decoded.ok ? "fine" : `${decoded.code}: ${decoded.problem}`;
  };
  assert.equal(problemOf(7), "bad-message: a map with a type is needed");
  assert.equal(problemOf({ type: "nonsense" }), "bad-message: unknown type nonsense");
  assert.equal(problemOf({ type: "toString" }), "bad-message: unknown type toString");
  assert.equal(
    problemOf({ ...messages.detach, epoch: -4 }),
    "bad-message: detach.epoch: an integer from 0 is needed",
  );
  assert.equal(
    problemOf({ type: "shard-reset", shard: "a" }),
    "bad-message: shard-reset.epoch: is missing",
  );
  assert.match(
    problemOf({ ...messages.watching, definition: { name: "x" } }),
    /^bad-message: watching\.definition: world definition/,
  );
});

test("a field that stands twice is refused", () => {
  const hex = goldenLinkMessages(2)["shard-reset"] ?? "";
  const twice = bytesOf(`a4${hex.slice(2)}6565706f636801`);
  assert.deepEqual(decodeLinkMessage(twice), {
    ok: false,
    code: "bad-message",
    problem: "a field stands twice",
  });
});

test("a message out of its bounds is a fault of the sender", () => {
  const long = { ...messages.closed, reason: "x".repeat(MAX_REASON_BYTES + 1) };
  assert.throws(() => encodeLinkMessage(long), LinkMessageError);
});

test("random bytes and mutated messages never throw", () => {
  const encoded = all.map((message) => encodeLinkMessage(message).slice());
  const mutated = fc
    .tuple(
      fc.constantFrom(...encoded),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.nat(),
    )
    .map(([source, edits, cut]) => {
      const bytes = source.slice(0, cut % 3 === 0 ? cut % source.length : source.length);
      for (const [at, byte] of edits) if (bytes.length > 0) bytes[at % bytes.length] = byte;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      const decoded = decodeLinkMessage(bytes);
      // What was taken in is a message that can be written again.
      if (decoded.ok) assert.ok(decodeLinkMessage(encodeLinkMessage(decoded.message)).ok);
      else assert.equal(decoded.code, "bad-message");
    }),
    { numRuns: 3000 },
  );
});

test("marks of traces go to peers that know them, and are refused from those that cannot", () => {
  const { trace, ...untraced } = messages.upstream;
  assert.ok(trace);
  const older = encodeLinkMessage(messages.upstream, 1);
  assert.deepEqual(older, encodeLinkMessage(untraced));
  assert.deepEqual(decodeLinkMessage(older, 1), { ok: true, message: untraced });
  assert.deepEqual(decodeLinkMessage(encodeLinkMessage(messages.upstream), 1), {
    ok: false,
    code: "bad-message",
    problem: "upstream: unknown field trace",
  });
});

test("messages that came later are not sent to peers of before, and refused from them", () => {
  for (const version of [1, 2, 3])
    for (const message of all) {
      if (message.type in asOf(version)) {
        assert.ok(isSpoken(message.type, version));
        continue;
      }
      assert.ok(!isSpoken(message.type, version));
      assert.throws(() => encodeLinkMessage(message, version), LinkMessageError);
      assert.deepEqual(decodeLinkMessage(encodeLinkMessage(message), version), {
        ok: false,
        code: "bad-message",
        problem: `unknown type ${message.type}`,
      });
    }
});

test("the longest piece of a copy, and a delta that is longer, arrive whole", () => {
  const piece = { ...messages["replica-piece"], data: new Uint8Array(MAX_REPLICA_PIECE_BYTES) };
  const delta = {
    ...messages["replica-delta"],
    data: new Uint8Array(MAX_REPLICA_PIECE_BYTES + 1).fill(7),
  };
  for (const message of [piece, delta])
    assert.deepEqual(decodeLinkMessage(encodeLinkMessage(message)), { ok: true, message });
  const longer = { ...piece, data: delta.data };
  assert.throws(() => encodeLinkMessage(longer), /replica-piece\.data/);
});

test("a number of a replica's copy is whole, its hash is of 16 bytes, its end has a known code", () => {
  const problems: readonly [LinkMessage["type"], object][] = [
    ["replica-sealed", { hash: new Uint8Array(8) }],
    ["replica-sealed", { sections: new Uint8Array(16) }],
    ["replica-close", { code: "bored" }],
    ["replica-open", { copy: -1 }],
    ["replica-open", { boot: "" }],
    ["replica-ack", { bytes: 0.5 }],
    ["shard-sealed", { to: "" }],
  ];
  for (const [type, wrong] of problems)
    assert.match(
      linkMessageProblem({ ...messages[type], ...wrong }) ?? "fine",
      new RegExp(`^${type}\\.${Object.keys(wrong)[0]}: `),
    );
});
