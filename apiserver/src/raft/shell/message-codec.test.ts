import assert from "node:assert/strict";
import { test } from "node:test";
import { share } from "@atlasnet/core/testing";
import fc from "fast-check";
import { makeMembers } from "../core/members.ts";
import type { MessageBody, RaftMessage } from "../core/messages.ts";
import { decodeRaftMessage, encodeRaftMessage } from "./message-codec.ts";

const number = fc.oneof(fc.nat(300), fc.maxSafeNat());
const index = fc.oneof(fc.nat(300), fc.nat({ max: 2 ** 31 - 1 }));
const data = fc.uint8Array({ maxLength: 300 });
const members = fc
  .uniqueArray(fc.constantFrom("a", "b", "ä", "node-4"), { minLength: 1 })
  .map((ids) => makeMembers(ids, ["z"], { z: 7 }));
const checkpoint = fc.record(
  { index: number, term: number, size: number, members },
  { noNullPrototype: true },
);
const entries = fc
  .tuple(
    index,
    fc.array(
      fc.record({
        type: fc.constantFrom("command" as const, "no-op" as const, "members" as const),
        term: number,
        data,
      }),
    ),
  )
  .map(([prevIndex, list]) => ({
    prevIndex,
    entries: list.map((entry, at) => ({ ...entry, index: prevIndex + 1 + at })),
  }));

const bodies: { readonly [T in RaftMessage["type"]]: fc.Arbitrary<MessageBody> } = {
  "pre-vote": fc.record({
    type: fc.constant("pre-vote" as const),
    forTerm: number,
    lastIndex: number,
    lastTerm: number,
  }),
  "pre-vote-answer": fc.record({
    type: fc.constant("pre-vote-answer" as const),
    forTerm: number,
    granted: fc.boolean(),
  }),
  vote: fc.record({
    type: fc.constant("vote" as const),
    lastIndex: number,
    lastTerm: number,
    transfer: fc.boolean(),
  }),
  "vote-answer": fc.record({ type: fc.constant("vote-answer" as const), granted: fc.boolean() }),
  append: fc
    .tuple(entries, fc.record({ prevTerm: number, commit: number }))
    .map(([list, rest]) => ({ type: "append" as const, ...rest, ...list })),
  "append-ok": fc.record({
    type: fc.constant("append-ok" as const),
    match: number,
    newLog: fc.boolean(),
  }),
  "append-refused": fc.record({
    type: fc.constant("append-refused" as const),
    prevIndex: number,
    hintIndex: number,
    hintTerm: number,
  }),
  heartbeat: fc.record({
    type: fc.constant("heartbeat" as const),
    match: number,
    commit: number,
    round: number,
  }),
  "heartbeat-answer": fc.record({ type: fc.constant("heartbeat-answer" as const), round: number }),
  "checkpoint-chunk": fc.record({
    type: fc.constant("checkpoint-chunk" as const),
    checkpoint,
    offset: number,
    length: number,
    commit: number,
    data,
  }),
  "checkpoint-answer": fc.record({
    type: fc.constant("checkpoint-answer" as const),
    index: number,
    offset: number,
  }),
  "timeout-now": fc.constant({ type: "timeout-now" as const }),
  "stale-term": fc.constant({ type: "stale-term" as const }),
  retire: fc.record({ type: fc.constant("retire" as const), retired: number }),
};

const message: fc.Arbitrary<RaftMessage> = fc
  .tuple(fc.oneof(...Object.values(bodies)), number, number)
  .map(([body, term, incarnation]) => ({ ...body, from: "a", to: "b", term, incarnation }));

test("every message comes back as it was", () => {
  fc.assert(
    fc.property(message, (sent) => {
      const decoded = decodeRaftMessage(encodeRaftMessage(sent), { from: "a", to: "b" });
      assert.deepEqual(decoded, { ok: true, message: sent });
    }),
    { numRuns: share(1000) },
  );
});

test("what is damaged is refused in words, or is another message that is written the same", () => {
  const damaged = fc.tuple(message, fc.nat(), fc.nat(255), fc.nat());
  fc.assert(
    fc.property(damaged, ([sent, at, byte, cut]) => {
      const bytes = encodeRaftMessage(sent).slice();
      bytes[at % bytes.length] = byte;
      const rest = cut % 2 === 0 ? bytes : bytes.slice(0, cut % bytes.length);
      const decoded = decodeRaftMessage(rest, { from: "a", to: "b" });
      if (!decoded.ok) assert.match(decoded.problem, /^raft message: /);
      else if (decoded.message.type !== "checkpoint-chunk")
        assert.deepEqual(encodeRaftMessage(decoded.message), rest);
    }),
    { numRuns: share(2000) },
  );
});

test("a message that is longer than it says is refused", () => {
  const bytes = encodeRaftMessage({
    type: "timeout-now",
    from: "a",
    to: "b",
    term: 3,
    incarnation: 1,
  });
  assert.deepEqual(decodeRaftMessage(Uint8Array.of(...bytes, 0), { from: "a", to: "b" }), {
    ok: false,
    problem: "raft message: 1 bytes follow its end",
  });
});

test("the bytes of a message stay what they are", () => {
  const hex = (sent: RaftMessage) => Buffer.from(encodeRaftMessage(sent)).toString("hex");
  const ends = { from: "a", to: "b", term: 300, incarnation: 2 };
  assert.equal(
    hex({ ...ends, type: "vote", lastIndex: 5, lastTerm: 4, transfer: true }),
    "02ac0202050401",
  );
  assert.equal(
    hex({
      ...ends,
      type: "append",
      prevIndex: 9,
      prevTerm: 3,
      commit: 8,
      entries: [
        { index: 10, term: 300, type: "no-op", data: new Uint8Array(0) },
        { index: 11, term: 300, type: "command", data: Uint8Array.of(7, 8) },
      ],
    }),
    "04ac020209030802" + "01ac0200" + "00ac02020708",
  );
});
