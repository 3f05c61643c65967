import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeaderInfo } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import { Readiness } from "./readiness.ts";

function scene() {
  const clock = new SimClock();
  const state: {
    leader: LeaderInfo | undefined;
    isNew: boolean;
    asked: PromiseWithResolvers<void>[];
  } = { leader: undefined, isNew: false, asked: [] };
  const readiness = new Readiness({
    clock,
    leader: () => state.leader,
    isNew: () => state.isNew,
    barrier: () => {
      const asked = withResolvers();
      state.asked.push(asked);
      return asked.promise;
    },
  });
  return { clock, state, readiness };
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

function withResolvers(): PromiseWithResolvers<void> {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve: () => resolve(), reject: (error) => reject(error) };
}

test("ready once there is a leader and all is applied; again so after a loss of the leader", async () => {
  const { state, readiness } = scene();
  assert.match(JSON.stringify(readiness.check()), /no apiserver leads/);
  state.leader = { node: "b", term: 2 };
  readiness.changed();
  assert.match(JSON.stringify(readiness.check()), /not yet all that b has/);
  state.asked[0]?.resolve();
  await settle();
  assert.deepEqual(readiness.check(), { ok: true });
  state.leader = undefined;
  readiness.changed();
  assert.equal(readiness.check().ok, false);
  state.leader = { node: "a", term: 3 };
  readiness.changed();
  assert.equal(readiness.check().ok, false);
  state.asked[1]?.resolve();
  await settle();
  assert.deepEqual(readiness.check(), { ok: true });
});

test("an answer from before the leader was lost does not count; a refused one is asked for again", async () => {
  const { clock, state, readiness } = scene();
  state.leader = { node: "b", term: 2 };
  readiness.changed();
  state.leader = undefined;
  readiness.changed();
  state.leader = { node: "b", term: 4 };
  readiness.changed();
  state.asked[0]?.resolve();
  await settle();
  assert.equal(readiness.check().ok, false);
  clock.advance(100);
  state.asked[1]?.reject(new Error("refused"));
  await settle();
  assert.equal(readiness.check().ok, false);
  clock.advance(100);
  state.asked[2]?.resolve();
  await settle();
  assert.deepEqual(readiness.check(), { ok: true });
});

test("an apiserver whose log is new says why there may be no leader although most of them run", () => {
  const { state, readiness } = scene();
  assert.doesNotMatch(JSON.stringify(readiness.check()), /log is new/);
  state.isNew = true;
  assert.match(JSON.stringify(readiness.check()), /log is new.*start all that ran before/);
});
