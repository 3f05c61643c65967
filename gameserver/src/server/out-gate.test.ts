import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { OutGate } from "./out-gate.ts";

let mayAct = true;
let out: string[] = [];
let spoiled: string[] = [];
let crowds: string[] = [];
let now = 0;
let gate: OutGate;

beforeEach(() => {
  mayAct = true;
  out = [];
  spoiled = [];
  crowds = [];
  now = 0;
  gate = new OutGate(
    { maxShardBytes: 1000, maxBytes: 1500, maxWaitingBytes: 600 },
    {
      mayAct: () => mayAct,
      overflowed: (shard) => spoiled.push(shard),
      crowded: (shard, isCrowded) => crowds.push(`${shard}:${isCrowded}`),
      now: () => now,
    },
  );
});

const send = (shard: string, word: string, bytes = 0, tick?: number) =>
  gate.send(shard, bytes, () => out.push(`${shard}:${word}`), tick);

test("what comes while the node may not act leaves afterwards, in its order", () => {
  send("a", "1");
  mayAct = false;
  send("a", "2");
  gate.seal();
  send("b", "1");
  mayAct = true;
  send("a", "3");
  assert.deepEqual(out, ["a:1"], "sealed is not over before it is said");
  gate.unseal();
  send("a", "4");
  assert.deepEqual(out, ["a:1", "a:2", "a:3", "b:1", "a:4"]);
  assert.equal(gate.heldBytes, 0);
});

test("a lease that ends in the middle of a release holds the rest", () => {
  gate.seal();
  for (const word of ["1", "2", "3"])
    gate.send("a", 0, () => {
      out.push(word);
      if (word === "2") mayAct = false;
    });
  gate.unseal();
  assert.deepEqual(out, ["1", "2"]);
  send("a", "4");
  mayAct = true;
  send("a", "5");
  assert.deepEqual(out, ["1", "2", "3", "a:4", "a:5"]);
});

test("what was lost never leaves, nor what comes before everything of it is gone", () => {
  gate.seal();
  send("a", "1");
  gate.lose();
  send("a", "2");
  gate.unseal();
  assert.deepEqual(out, []);
  gate.reset();
  send("a", "3");
  assert.deepEqual(out, ["a:3"]);
  assert.equal(gate.heldBytes, 0);
});

test("a shard whose output does not fit is told once and silent until it is forgotten", () => {
  gate.seal();
  send("a", "1", 500);
  send("b", "1", 500);
  send("a", "2", 500);
  send("a", "3");
  assert.deepEqual(spoiled, ["a"]);
  send("c", "1", 800);
  assert.deepEqual(spoiled, ["a", "c"], "more than all together may hold");
  gate.unseal();
  send("a", "4");
  assert.deepEqual(out, ["b:1"]);
  gate.forget("a");
  send("a", "5");
  assert.deepEqual(out, ["b:1", "a:5"]);
});

test("what a mirrored shard says waits until its mirror has the tick; other shards do not", () => {
  send("a", "1", 0, 4);
  gate.gate("a");
  send("a", "2", 0, 4);
  send("a", "3", 0, 5);
  send("b", "1", 0, 9);
  now = 7;
  send("a", "4", 0, 6);
  // Of no tick: in its order.
  send("a", "5");
  assert.deepEqual(out, ["a:1", "b:1"]);
  now = 10;
  gate.release("a", 5);
  assert.deepEqual(out, ["a:1", "b:1", "a:2", "a:3"]);
  gate.release("a", 4);
  gate.release("a", 6);
  assert.deepEqual(out.slice(4), ["a:4", "a:5"]);
  send("a", "6", 0, 6);
  assert.deepEqual(out.slice(6), ["a:6"], "of a tick that the mirror has");
  assert.deepEqual([gate.heldBytes, gate.waits], [0, { count: 4, ms: 26 }]);
  send("a", "7", 0, 7);
  assert.equal(out.length, 7, "whether or not anybody follows it any more");
  gate.ungate("a");
  assert.ok(!gate.isGated("a"));
  send("a", "8", 0, 8);
  assert.deepEqual(out.slice(7), ["a:7", "a:8"]);
});

test("a mirrored shard waits for the lease as well, and holds up no other", () => {
  gate.gate("a");
  send("a", "1", 0, 5);
  mayAct = false;
  gate.seal();
  send("b", "1", 0, 5);
  gate.release("a", 5);
  gate.ungate("a");
  assert.deepEqual(out, []);
  gate.gate("a");
  send("a", "2", 0, 6);
  mayAct = true;
  gate.unseal();
  assert.deepEqual(out, ["b:1"], "another mirror may not have it");
  gate.release("a", 6);
  assert.deepEqual(out, ["b:1", "a:1", "a:2"]);
});

test("a shard of which much waits for its mirror makes no tick meanwhile; what is forgotten never leaves", () => {
  gate.gate("a");
  send("a", "1", 200, 1);
  send("a", "2", 200, 2);
  assert.deepEqual(crowds, ["a:true"]);
  gate.release("a", 1);
  assert.deepEqual(crowds, ["a:true"], "more than half of it waits");
  gate.release("a", 2);
  assert.deepEqual(crowds, ["a:true", "a:false"]);
  send("a", "3", 800, 3);
  gate.ungate("a");
  assert.deepEqual(crowds.slice(2), ["a:true", "a:false"]);
  gate.gate("a");
  send("a", "4", 0, 4);
  gate.forget("a");
  send("a", "5", 0, 5);
  assert.deepEqual(out, ["a:1", "a:2", "a:3", "a:5"]);
  assert.deepEqual(spoiled, []);
});

test("with its mirror's word a shard says what that has without a lease, and nothing else", () => {
  gate.gate("a");
  gate.actUnleased("a", true);
  assert.deepEqual(gate.unleased, ["a"]);
  mayAct = false;
  gate.seal();
  send("a", "1", 0, 1);
  send("b", "1", 0, 1);
  assert.deepEqual(out, []);
  gate.release("a", 1);
  assert.deepEqual(out, ["a:1"]);
  send("a", "placed");
  send("a", "2", 0, 2);
  gate.release("a", 2);
  assert.deepEqual(out, ["a:1"], "no mirror answers for what is of no tick, and the order stays");
  mayAct = true;
  gate.unseal();
  assert.deepEqual(out, ["a:1", "b:1", "a:placed", "a:2"]);
});

test("a mirror's word ends with its gate, and when it is taken back", () => {
  gate.gate("a");
  gate.actUnleased("a", true);
  mayAct = false;
  gate.seal();
  gate.actUnleased("a", false);
  gate.release("a", 1);
  send("a", "1", 0, 1);
  gate.actUnleased("a", true);
  assert.deepEqual(out, ["a:1"]);
  send("a", "2", 0, 2);
  gate.ungate("a");
  send("a", "3", 0, 3);
  assert.deepEqual(out, ["a:1"]);
  gate.actUnleased("a", true);
  assert.deepEqual([out, gate.unleased], [["a:1"], []], "without a gate there is no mirror");
  gate.lose();
  gate.gate("a");
  gate.actUnleased("a", true);
  gate.release("a", 4);
  send("a", "4", 0, 4);
  assert.deepEqual(out, ["a:1"], "the registration is gone, and with it the mirror");
});
