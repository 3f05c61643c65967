import assert from "node:assert/strict";
import { test } from "node:test";
import { callCode } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import type { ShardFailure } from "../leader/leader-role.ts";
import type { CallHandler } from "../raft/shell/peer-calls.ts";
import { GroupFailures, MAX_FAILURES } from "./group-failures.ts";

const FAILURE = { node: "gs-1", shard: "arena/0", problem: "no such file: ./nope.mjs" };

function scene(known: readonly ShardFailure[] | undefined) {
  const clock = new SimClock();
  let handler: CallHandler | undefined;
  const at = (own: () => readonly ShardFailure[] | undefined) =>
    new GroupFailures(
      { timeoutMs: 1000 },
      {
        ...{ clock, own },
        leader: () => ({ node: "api-1", term: 1 }),
        calls: {
          handle: (_, taken) => {
            handler ??= taken;
          },
          askLeader: async () =>
            handler?.("api-2", new Uint8Array(0)) ?? callCode("unknown-method"),
        },
      },
    );
  return { leader: at(() => known), follower: at(() => undefined) };
}

test("a follower knows what the leader heard", async () => {
  const { leader, follower } = scene([FAILURE]);
  assert.deepEqual(await leader.get(), [FAILURE]);
  assert.deepEqual(await follower.get(), [FAILURE]);
});

test("whoever is asked and does not lead knows nothing; an answer is bounded", async () => {
  assert.deepEqual(await scene(undefined).follower.get(), []);
  const many = Array.from({ length: MAX_FAILURES + 1 }, (_, i) => ({
    ...FAILURE,
    shard: `w${i}/0`,
  }));
  assert.deepEqual(await scene(many).follower.get(), many.slice(0, MAX_FAILURES));
});
