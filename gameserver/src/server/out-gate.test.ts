import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { OutGate } from "./out-gate.ts";

let mayAct = true;
let out: string[] = [];
let spoiled: string[] = [];
let gate: OutGate;

beforeEach(() => {
  mayAct = true;
  out = [];
  spoiled = [];
  gate = new OutGate(
    { maxShardBytes: 1000, maxBytes: 1500 },
    { mayAct: () => mayAct, overflowed: (shard) => spoiled.push(shard) },
  );
});

const send = (shard: string, word: string, bytes = 0) =>
  gate.send(shard, bytes, () => out.push(`${shard}:${word}`));

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
