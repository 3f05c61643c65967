import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CallAnswer,
  ControlError,
  callCode,
  type LeaderInfo,
  type RenewalAnswer,
} from "@atlasnet/core";
import type { Renewals } from "../leader/lease-keeper.ts";
import type { CallHandler } from "../raft/shell/peer-calls.ts";
import { GroupRenewals } from "./group-renewals.ts";

const load = { sessions: 1, memoryBytes: 2, busy: 0.5, tickMs: 3, bytesPerSecond: 4 };
const request = { boot: "b", number: 7, load };
const granted: RenewalAnswer = { ok: true, number: 7, leaseMs: 500 };
const notLeader: RenewalAnswer = { ok: false, code: "not-leader" };

/** Two apiservers that reach each other; `lost` answers instead of the other one. */
function pair(leases: Renewals, lost: { code?: string } = {}) {
  const handlers = new Map<string, CallHandler>();
  const member = (node: string, leader: () => LeaderInfo | undefined) =>
    new GroupRenewals(
      { node, timeoutMs: 100 },
      {
        leader,
        leases,
        calls: {
          handle: (method, handler) => handlers.set(`${node}/${method}`, handler),
          askLeader: async (to, method, body): Promise<CallAnswer> => {
            if (lost.code !== undefined) return callCode(lost.code);
            return (await handlers.get(`${to}/${method}`)?.(node, body)) ?? callCode("unknown");
          },
        },
      },
    );
  const leader = { node: "a", term: 1 };
  return { leading: member("a", () => leader), following: member("b", () => leader), member };
}

test("the leader answers, asked by a node or by another apiserver", async () => {
  const asked: unknown[] = [];
  const { leading, following } = pair({
    renew: async (node, given) => {
      asked.push([node, given]);
      return granted;
    },
  });
  assert.deepEqual(await leading.renew("gs-1", request), granted);
  assert.deepEqual(await following.renew("gs-1", request), granted);
  assert.deepEqual(asked, [
    ["gs-1", request],
    ["gs-1", request],
  ]);
});

test("a leader of before, which refuses what it does not know, is asked without it", async () => {
  const migrations = [
    {
      ...{ shard: "arena/0", id: "00ff00ff00ff00ff", phase: "copying" as const },
      ...{ bytes: 1, totalBytes: 2, lagTicks: 0 },
    },
  ];
  const asked: unknown[] = [];
  const { following } = pair({
    renew: async (_node, given) => {
      asked.push([given.migrations, given.asleep]);
      if (given.migrations === undefined && given.asleep === undefined) return granted;
      throw new ControlError("bad-request", "unknown field");
    },
  });
  const asleep = { shards: ["arena/0"] };
  assert.deepEqual(await following.renew("gs-1", { ...request, migrations }), granted);
  assert.deepEqual(await following.renew("gs-1", { ...request, asleep }), granted);
  const none = [undefined, undefined];
  assert.deepEqual(asked, [[migrations, undefined], none, [undefined, asleep], none]);
});

test("nobody leads, the leader is not reached, or another one leads: not-leader; unknown: an error", async () => {
  const { member } = pair({ renew: async () => granted });
  assert.deepEqual(await member("c", () => undefined).renew("gs-1", request), notLeader);
  for (const code of ["unreachable", "busy", "unknown-method", "lost"])
    assert.deepEqual(
      await pair({ renew: async () => granted }, { code }).following.renew("gs-1", request),
      notLeader,
    );
  for (const code of ["timeout", "failed", "else"])
    await assert.rejects(
      pair({ renew: async () => granted }, { code }).following.renew("gs-1", request),
      { code: "timeout" },
    );
});

test("an error of the leader's read barrier comes back as it is", async () => {
  const { following } = pair({
    renew: () => Promise.reject(new ControlError("no-quorum", "too few")),
  });
  await assert.rejects(following.renew("gs-1", request), { code: "no-quorum", message: "too few" });
});
