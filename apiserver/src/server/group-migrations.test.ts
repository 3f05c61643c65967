import assert from "node:assert/strict";
import { test } from "node:test";
import { callCode } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import type { ReportedMigration } from "../leader/leader-role.ts";
import type { CallHandler } from "../raft/shell/peer-calls.ts";
import { GroupMigrations, MAX_REPORTED_MIGRATIONS } from "./group-migrations.ts";

const REPORT: ReportedMigration = {
  ...{ node: "gs-1", shard: "arena/0", id: "00ff00ff00ff00ff", phase: "following" },
  ...{ bytes: 2 ** 33, totalBytes: 2 ** 33, lagTicks: 1 },
};

function scene(known: readonly ReportedMigration[] | undefined) {
  const clock = new SimClock();
  let handler: CallHandler | undefined;
  const at = (own: () => readonly ReportedMigration[] | undefined) =>
    new GroupMigrations(
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
  const { leader, follower } = scene([REPORT]);
  assert.deepEqual(await leader.get(), [REPORT]);
  assert.deepEqual(await follower.get(), [REPORT]);
});

test("whoever is asked and does not lead knows nothing; an answer is bounded", async () => {
  assert.deepEqual(await scene(undefined).follower.get(), []);
  const many = Array.from({ length: MAX_REPORTED_MIGRATIONS + 1 }, (_, i) => ({
    ...REPORT,
    shard: `w${i}/0`,
  }));
  assert.deepEqual(await scene(many).follower.get(), many.slice(0, MAX_REPORTED_MIGRATIONS));
});
