import assert from "node:assert/strict";
import { test } from "node:test";
import { callCode } from "@atlasnet/core";
import type { CallHandler } from "../raft/shell/peer-calls.ts";
import { GroupAsleep, MAX_ASKED_ASLEEP } from "./group-asleep.ts";

function scene({ leads = true, asleep = ["arena/0"] as readonly string[] } = {}) {
  let handler: CallHandler | undefined;
  const asked: number[] = [];
  const own = (shards: readonly string[]) => {
    asked.push(shards.length);
    return leads ? shards.filter((shard) => asleep.includes(shard)) : undefined;
  };
  const at = (known: typeof own) =>
    new GroupAsleep(
      { timeoutMs: 1000 },
      {
        own: known,
        leader: () => ({ node: "api-1", term: 1 }),
        calls: {
          handle: (_, taken) => {
            handler ??= taken;
          },
          askLeader: async (_leader, _method, body) =>
            handler?.("api-2", body) ?? callCode("unknown-method"),
        },
      },
    );
  return { leader: at(own), follower: at(() => undefined), asked, handle: () => handler };
}

test("a follower knows of the shards that it asks about what the leader knows", async () => {
  const { leader, follower } = scene();
  for (const of of [leader, follower]) {
    assert.deepEqual([...(await of.of(["arena/0", "lobby/0"]))], ["arena/0"]);
    assert.deepEqual([...(await of.of(["lobby/0"]))], []);
  }
});

test("whoever is asked and does not lead knows nothing; a question is bounded, and one without shards is none", async () => {
  assert.deepEqual([...(await scene({ leads: false }).follower.of(["arena/0"]))], []);
  const { follower, asked, handle } = scene();
  await follower.of([]);
  assert.deepEqual(asked, []);
  await follower.of(Array.from({ length: MAX_ASKED_ASLEEP + 1 }, (_, i) => `w${i}/0`));
  assert.deepEqual(asked, [MAX_ASKED_ASLEEP]);
  const { code } = (await handle()?.("api-2", new Uint8Array(3))) ?? {};
  assert.equal(code, "failed", "bytes from anywhere are no fault");
});
