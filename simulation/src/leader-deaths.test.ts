import assert from "node:assert/strict";
import { test } from "node:test";
import { LeaderDeaths } from "./leader-deaths.ts";

test("a world runs within a second of the leader's death, however soon the next leader dies", async () => {
  const times = { quietMs: [2_000, 3_500], delayMs: 3, syncMs: 8 } as const;
  const simulation = new LeaderDeaths({ seed: 11, deaths: 12, ...times });
  const took = await simulation.run();
  assert.equal(took.length, 12);
  const slow = took.filter((ms) => ms > 1_000);
  assert.deepEqual(slow, [], simulation.lines.join("\n"));
});
