import assert from "node:assert/strict";
import { test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import { FakePlane } from "../testing/fake-plane.ts";
import { Membership } from "./membership.ts";

const NO_LOAD = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };

function scene() {
  const clock = new SimClock();
  const plane = new FakePlane();
  const refusals: string[] = [];
  const membership = new Membership({
    plane,
    clock,
    logger: noopLogger,
    refused: (error) => refusals.push(error.message),
  });
  membership.start(() => NO_LOAD);
  return { clock, plane, membership, refusals };
}

test("each registration is told how the proxy is, and a stop is told before it ends", async () => {
  const { plane, membership, refusals } = scene();
  membership.drain();
  assert.deepEqual(plane.states, [], "nobody is there who could be told");
  plane.register();
  assert.deepEqual(plane.states, ["draining"]);
  await plane.events?.lost();
  plane.register();
  await membership.stop();
  assert.deepEqual(plane.states, ["draining", "draining", "stopped"]);
  assert.deepEqual(refusals, []);
});

test("a stop waits a moment for its last word, and for nobody when there is no registration", async () => {
  const { clock, plane, membership } = scene();
  plane.register();
  plane.answer = () => new Promise(() => undefined);
  await clock.drive(membership.stop(), settle);
  assert.equal(clock.now(), 2_000);
  const other = scene();
  await other.membership.stop();
  assert.deepEqual(other.plane.states, []);
});

test("what cannot be told does no harm; a refusal is told, unless the proxy stops", async () => {
  const { plane, refusals } = scene();
  plane.answer = () => Promise.reject(new Error("no leader"));
  plane.register();
  await settle();
  assert.deepEqual(refusals, []);
  const refused = scene();
  refused.plane.refuse(new Error("wrong cluster"));
  await settle();
  assert.deepEqual(refused.refusals, ["wrong cluster"]);
  const ending = scene();
  ending.membership.ending();
  await ending.plane.stop();
  await settle();
  assert.deepEqual(ending.refusals, [], "what waits for a registration ends first");
  const stopped = scene();
  await stopped.membership.stop();
  await stopped.plane.stop();
  await settle();
  assert.deepEqual(stopped.refusals, []);
});
