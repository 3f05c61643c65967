import assert from "node:assert/strict";
import { test } from "node:test";
import { type CallAnswer, callCode, type NodeLoad } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import type { CallHandler } from "../raft/shell/peer-calls.ts";
import { GroupLoads, type Loads, MAX_LOADS } from "./group-loads.ts";

const LOAD: NodeLoad = {
  sessions: 12,
  memoryBytes: 2 ** 33,
  busy: 0.25,
  tickMs: 4.5,
  bytesPerSecond: 1000,
};

function scene(known: Loads | undefined) {
  const clock = new SimClock();
  let handler: CallHandler | undefined;
  const scene = { clock, known, asked: 0, answer: undefined as CallAnswer | undefined };
  const take = (from: CallHandler | undefined) =>
    from?.("api-2", new Uint8Array(0)) ?? Promise.resolve(callCode("unknown-method"));
  const at = (own: () => Loads | undefined) =>
    new GroupLoads(
      { timeoutMs: 1000 },
      {
        clock,
        own,
        leader: () => ({ node: "api-1", term: 1 }),
        calls: {
          handle: (_, taken) => {
            handler ??= taken;
          },
          askLeader: async () => {
            scene.asked += 1;
            return scene.answer ?? take(handler);
          },
        },
      },
    );
  const leader = at(() => scene.known);
  return Object.assign(scene, { leader, follower: at(() => undefined) });
}

test("whoever does not lead asks the leader, once a second at most", async () => {
  const known = new Map([["gs-1", LOAD]]);
  const group = scene(known);
  assert.equal(await group.leader.loads(), known);
  assert.deepEqual(await group.follower.loads(), known);
  assert.deepEqual(await group.follower.loads(), known);
  assert.equal(group.asked, 1);
  known.set("gs-2", { ...LOAD, busy: 0 });
  group.clock.advance(1001);
  assert.deepEqual(await group.follower.loads(), known);
  assert.equal(group.asked, 2);
});

test("without an answer that can be read nothing is known, and nothing fails", async () => {
  const group = scene(undefined);
  assert.equal((await group.follower.loads()).size, 0);
  for (const body of [Uint8Array.of(), Uint8Array.of(1), Uint8Array.of(0xa1, 0x61, 0x61, 1)]) {
    group.clock.advance(2000);
    group.answer = { code: "ok", body };
    assert.equal((await group.follower.loads()).size, 0);
  }
  assert.equal(group.asked, 4);
});

test("an answer is bounded", async () => {
  const group = scene(
    new Map(Array.from({ length: MAX_LOADS + 10 }, (_, i) => [`gs-${i}`, LOAD] as const)),
  );
  assert.equal((await group.follower.loads()).size, MAX_LOADS);
});
