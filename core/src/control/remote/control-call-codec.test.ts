import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { encodeCbor } from "../../wire/cbor.ts";
import { ControlError } from "../control-error.ts";
import * as codecs from "./control-call-codec.ts";
import { decodeRefusal, encodeRefusal } from "./refusal.ts";

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));

const REVISION = 3 * 2 ** 40 + 7;
const leader = { node: "api-1", term: 9 };
const item = {
  key: "nodes/gs-1",
  value: Uint8Array.of(1, 2, 3),
  created: 2 ** 40,
  modified: REVISION,
  version: 4,
};
const load = { sessions: 12, memoryBytes: 2 ** 33, busy: 0.25, tickMs: 4.5, bytesPerSecond: 1000 };
const renewal = { boot: "b0", number: 77, load };

/** Every field of every message, as bytes and back. */
const messages = {
  helloRequest: tried(codecs.helloRequest, {
    versions: { oldest: 1, newest: 1 },
    cluster: "atlas",
    software: "atlasnet 0.1.0",
  }),
  helloAnswer: tried(codecs.helloAnswer, {
    ...{ version: 1, cluster: "atlas", node: "api-1", software: "atlasnet 0.1.0" },
    leader,
  }),
  nothing: tried(codecs.nothing, {}),
  membersAnswer: tried(codecs.membersAnswer, {
    members: [{ node: "api-1", address: "10.0.0.1:2556" }],
  }),
  rangeRequest: tried(codecs.rangeRequest, {
    ...{ prefix: "nodes/", limit: 100, after: "nodes/a" },
    consistency: "local",
  }),
  rangeAnswer: tried(codecs.rangeAnswer, { revision: REVISION, items: [item], more: true, leader }),
  txnRequest: tried(codecs.txnRequest, {
    id: "a-1",
    compare: [
      { type: "modified", key: "nodes/a", is: "less", revision: REVISION },
      { type: "value", key: "b", equals: Uint8Array.of(1, 2) },
      { type: "term", term: 9 },
    ],
    then: [
      { type: "put", key: "c", value: new Uint8Array(3) },
      { type: "delete", prefix: "d/" },
    ],
    otherwise: [{ type: "delete", key: "e" }],
    leases: ["gs-1"],
  }),
  txnAnswer: tried(codecs.txnAnswer, { succeeded: true, revision: REVISION, leader }),
  watchRequest: tried(codecs.watchRequest, { watch: "w1", key: "nodes/gs-1", after: REVISION }),
  watchAnswer: tried(codecs.watchAnswer, { revision: REVISION, leader }),
  watchName: tried(codecs.watchName, { watch: "w1" }),
  watchChanged: tried(codecs.watchNews, {
    type: "changed",
    revision: REVISION,
    changes: [
      { type: "put", item },
      { type: "delete", key: "nodes/b", modified: REVISION },
    ],
    leader,
  }),
  watchCompacted: tried(codecs.watchNews, { type: "compacted", revision: REVISION }),
  watchEnded: tried(codecs.watchNews, { type: "ended" }),
  renewalRequest: tried(codecs.renewalRequest, renewal),
  renewalWithProblems: tried(codecs.renewalRequest, {
    ...renewal,
    problems: [{ shard: "arena/0", problem: "no such file: ./nope.mjs" }],
  }),
  renewalWithMigrations: tried(codecs.renewalRequest, {
    ...renewal,
    migrations: [
      {
        ...{ shard: "arena/0", id: "00ff00ff00ff00ff", phase: "copying" },
        ...{ bytes: 2 ** 20, totalBytes: 2 ** 33, lagTicks: 3 },
      },
    ],
  }),
  renewalWithAsleep: tried(codecs.renewalRequest, {
    ...renewal,
    asleep: { after: "arena/0", through: "lobby/0", shards: ["cave/0", "lobby/0"] },
  }),
  nodeRenewal: tried(codecs.nodeRenewal, { node: "gs-1", ...renewal }),
  renewalGranted: tried(codecs.renewalAnswer, { ok: true, number: 77, leaseMs: 5000 }),
  renewalDenied: tried(codecs.renewalAnswer, { ok: false, code: "lost" }),
};

interface Tried {
  readonly bytes: Uint8Array;
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly value: unknown;
}

function tried<T>(
  codec: { encode(value: T): Uint8Array; decode(bytes: Uint8Array): T },
  value: T,
): Tried {
  return { bytes: codec.encode(value), decode: (bytes) => codec.decode(bytes), value };
}

/** Each version's file has what came with it, and never changes. */
function goldenOf(version: number): object {
  const file = new URL(`../../../src/wire/golden/control-calls-v${version}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8"));
}

test("every message comes out as it went in, as the bytes of its version", () => {
  const golden = { ...goldenOf(1), ...goldenOf(2), ...goldenOf(3) };
  const now = Object.fromEntries(
    Object.entries(messages).map(([name, { bytes }]) => [name, hexOf(bytes)]),
  );
  assert.deepEqual(now, golden);
  for (const [name, { bytes, decode, value }] of Object.entries(messages))
    assert.deepEqual(decode(bytesOf(hexOf(bytes))), value, name);
});

test("bytes from anywhere are a message or a refusal, never a fault", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    // Real ones with some bytes changed.
    fc
      .tuple(fc.constantFrom(...Object.values(messages)), fc.nat(), fc.nat(255))
      .map(([message, at, byte]) => {
        const changed = message.bytes.slice();
        changed[at % Math.max(1, changed.length)] = byte;
        return changed;
      }),
    fc.object({ maxDepth: 2 }).map((value) => encodeCbor(value).slice()),
  );
  fc.assert(
    fc.property(bytes, fc.constantFrom(...Object.values(messages)), (given, { decode }) => {
      try {
        assert.equal(typeof decode(given), "object");
      } catch (error) {
        assert.ok(error instanceof ControlError, String(error));
      }
      assert.ok(decodeRefusal(given) instanceof ControlError);
    }),
    { numRuns: 2000 },
  );
});

test("unknown fields, absent ones and those that stand twice are refused", () => {
  const refused = (value: unknown, problem: RegExp) =>
    assert.throws(() => codecs.helloRequest.decode(encodeCbor(value).slice()), problem);
  const good = { versions: { oldest: 1, newest: 1 }, software: "x" };
  refused({ ...good, more: 1 }, /unknown field more/);
  refused({ versions: good.versions }, /software: is missing/);
  refused([good], /a map is needed/);
  const twice = bytesOf("a2657761746368617765776174636861 77".replaceAll(" ", ""));
  assert.throws(() => codecs.watchName.decode(twice), /stands twice/);
});

test("transactions keep the codes of what is wrong with them", () => {
  const then = Array.from({ length: 257 }, (_, i) => ({ type: "delete", key: `k/${i}` }));
  const bytes = encodeCbor({ compare: [], then }).slice();
  assert.throws(() => codecs.txnRequest.decode(bytes), { code: "too-large" });
});

test("a refusal keeps code, message and hint; what a later version says is a refusal all the same", () => {
  const error = new ControlError("quota", "the store is full", { hint: "Delete." });
  const { code, body } = encodeRefusal(error);
  assert.equal(code, "refused");
  const { message, hint } = decodeRefusal(body);
  assert.deepEqual([message, hint], ["the store is full", "Delete."]);
  assert.equal(decodeRefusal(body).code, "quota");
  const long = decodeRefusal(encodeRefusal(new ControlError("busy", "ä".repeat(5000))).body);
  assert.ok(long.message.length <= 2048 && long.message.endsWith("…"));
  const later = encodeCbor({ code: "of-tomorrow", message: "no" }).slice();
  assert.equal(decodeRefusal(later).code, "bad-request");
  assert.equal(decodeRefusal(later).message, "no");
});
