import assert from "node:assert/strict";
import { test } from "node:test";
import { defineWorld, quantized, uint } from "@atlasnet/world";
import fc from "fast-check";
import { encodeCbor } from "./cbor.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  LinkMessageError,
  linkMessageProblem,
  MAX_REASON_BYTES,
} from "./link-codec.ts";
import type { LinkMessage } from "./link-messages.ts";

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
    schema: stream,
    params: new Uint8Array([255]),
  },
  watch: { type: "watch", ...about, topic: "cell/1,2", authorized: false },
  detach: { type: "detach", ...about },
  leave: { type: "leave", ...about },
  upstream: { type: "upstream", shard: "arena", epoch: 2 ** 48 + 5, batch: new Uint8Array([1, 2]) },
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
  downstream: { type: "downstream", shard: "arena", epoch: 7, batch: new Uint8Array(0) },
  "shard-reset": { type: "shard-reset", shard: "arena", epoch: 8 },
  hosting: { type: "hosting", worlds: [{ world: "arena", shard: "arena/0", epoch: 2 ** 40 }] },
};
const all = Object.values(messages);

test("every message has its golden bytes, and they decode to it", () => {
  assert.deepEqual(
    Object.fromEntries(all.map((m) => [m.type, hexOf(encodeLinkMessage(m))])),
    golden,
  );
  for (const message of all) {
    const decoded = decodeLinkMessage(bytesOf(golden[message.type] ?? ""));
    assert.ok(decoded.ok, JSON.stringify(decoded));
    assert.deepStrictEqual(decoded.message, message);
  }
});

test("optional fields may be absent or undefined, others not", () => {
  const { session, timeline, schema, params, ...bare } = messages.attach;
  const decoded = decodeLinkMessage(encodeLinkMessage(bare));
  assert.ok(decoded.ok);
  assert.deepStrictEqual(decoded.message, bare);
  assert.ok(session && timeline && schema && params);
  for (const message of all)
    for (const key of Object.keys(message)) {
      const cut = Object.fromEntries(Object.entries(message).filter(([k]) => k !== key));
      const isOptional = ["session", "timeline", "schema", "params"].includes(key);
      if (message.type === "attach" && isOptional) continue;
      if (message.type === "attached" && key === "definition") continue;
      assert.notEqual(linkMessageProblem(cut), undefined, `${message.type} without ${key}`);
    }
});

test("every field is checked, and unknown ones are refused", () => {
  const wrong = [-1, 1.5, 2 ** 53, "x".repeat(70_000), Symbol("no"), [[]], new Uint8Array(70_000)];
  for (const message of all) {
    for (const key of Object.keys(message)) {
      const isBatch = key === "batch";
      for (const value of isBatch ? wrong.slice(0, -1) : wrong) {
        const isPlainData = key === "data" && (typeof value === "number" || Array.isArray(value));
        if (isPlainData) continue;
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
  const hex = golden["shard-reset"] ?? "";
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

const golden: { readonly [type: string]: string } = {
  "shard-reset": "a364747970656b73686172642d7265736574657368617264656172656e616565706f636808",
  attach:
    "af647479706566617474616368657368617264656172656e616565706f6368076661747461636819012c676163636f756e7463616e6e646e616d6564c3846e6e6464617461a2647465616d637265646673636f726573830121fb3fe00000000000006773657373696f6e1b00000100000000006673747265616d48010203040506070867617474656d7074026c6669727374556e61636b6564056c6c6173745265636569766564046874696d656c696e650166736368656d6148010203040506070866706172616d7341ff",
  attached:
    "b16474797065686174746163686564657368617264656172656e616565706f6368076661747461636819012c6773657373696f6e0c676163636f756e7463616e6e646e616d656067617474656d7074036874696d656c696e6501647469636b1a000186a0687469636b526174651466736368656d614801020304050607086a646566696e6974696f6eab686368616e6e656c73806e636c69656e744d65737361676573806a636f6d706f6e656e747382a3666669656c647381826178a4646b696e64697175616e74697a6564636d61780a636d696e006473746570fb3fe0000000000000646e616d6565706c616365656f776e6572f4a3666669656c6473818266706f696e7473a2646b696e646475696e74636d61781864646e616d65626870656f776e6572f466696e7075747380646a6f696e80646e616d65646d696e696b7075626c696343656c6c73f46e7365727665724d6573736167657380657370616365f6687469636b52617465146776657273696f6e016a6170706c69656453657104666f757453657109696c617374496e707574184d6a67726163655469636b73190258",
  closed:
    "a6647479706566636c6f736564657368617264656172656e616565706f6368076661747461636819012c64636f6465666b69636b656466726561736f6e6b6e6f2073686f7574696e67",
  detach: "a4647479706566646574616368657368617264656172656e616565706f6368076661747461636819012c",
  downstream:
    "a464747970656a646f776e73747265616d657368617264656172656e616565706f63680765626174636840",
  hosting:
    "a2647479706567686f7374696e6766776f726c647381a365776f726c64656172656e61657368617264676172656e612f306565706f63681b0000010000000000",
  leave: "a46474797065656c65617665657368617264656172656e616565706f6368076661747461636819012c",
  notice:
    "a56474797065666e6f74696365657368617264656172656e616565706f636807646b696e64696465762d6572726f72647465787460",
  transfer:
    "a56474797065687472616e73666572657368617264656172656e616565706f6368076661747461636819012c65776f726c64656c6f626279",
  upstream:
    "a4647479706568757073747265616d657368617264656172656e616565706f63681b0001000000000005656261746368420102",
  watch:
    "a66474797065657761746368657368617264656172656e616565706f6368076661747461636819012c65746f7069636863656c6c2f312c326a617574686f72697a6564f4",
  watching:
    "a56474797065687761746368696e67657368617264656172656e616565706f6368076661747461636819012c6a646566696e6974696f6eab686368616e6e656c73806e636c69656e744d65737361676573806a636f6d706f6e656e747382a3666669656c647381826178a4646b696e64697175616e74697a6564636d61780a636d696e006473746570fb3fe0000000000000646e616d6565706c616365656f776e6572f4a3666669656c6473818266706f696e7473a2646b696e646475696e74636d61781864646e616d65626870656f776e6572f466696e7075747380646a6f696e80646e616d65646d696e696b7075626c696343656c6c73f46e7365727665724d6573736167657380657370616365f6687469636b52617465146776657273696f6e01",
};

test("marks of traces go to peers that know them, and are refused from those that cannot", () => {
  const traced: LinkMessage = { ...messages.upstream, trace: new Uint8Array(27).fill(1) };
  assert.deepEqual(decodeLinkMessage(encodeLinkMessage(traced)), { ok: true, message: traced });
  const older = encodeLinkMessage(traced, 1);
  assert.deepEqual(older, encodeLinkMessage(messages.upstream));
  assert.deepEqual(decodeLinkMessage(older, 1), { ok: true, message: messages.upstream });
  assert.deepEqual(decodeLinkMessage(encodeLinkMessage(traced), 1), {
    ok: false,
    code: "bad-message",
    problem: "upstream: unknown field trace",
  });
});
