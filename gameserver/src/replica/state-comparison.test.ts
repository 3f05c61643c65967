import assert from "node:assert/strict";
import { test } from "node:test";
import { stateDifference } from "./state-comparison.ts";

const [here, there] = [new Uint8Array(16).fill(4), new Uint8Array(16).fill(3)];
const sections = new Uint8Array(48);
const hashes = `hash ${"04".repeat(16)} here, ${"03".repeat(16)} at the owner`;

test("states of one hash are the same, whatever their sections say", () => {
  const owner = { hash: here.slice(), sections: sections.with(9, 1) };
  assert.equal(stateDifference(104, { hash: here, sections }, owner), undefined);
});

test("how states differ is said with both hashes, and with the sections when both sides tell them", () => {
  const owner = { hash: there, sections: sections.with(9, 1).with(16, 1) };
  assert.equal(
    stateDifference(104, { hash: here, sections }, owner),
    `the states of tick 104 differ in entities, keys: ${hashes}`,
  );
  const untold = `the states of tick 104 differ: ${hashes}`;
  assert.equal(stateDifference(104, { hash: here }, owner), untold);
  assert.equal(stateDifference(104, { hash: here, sections }, { hash: there }), untold);
});
