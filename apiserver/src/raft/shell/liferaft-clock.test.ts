import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import type { TickTock } from "./liferaft.ts";
import { LifeRaftClock } from "./liferaft-clock.ts";
import { pause } from "./pace.ts";

/** Timers that never come: those of a package that has ended them. */
const ENDED: Pick<TickTock, "setTimeout" | "clear"> = { setTimeout: () => true, clear: () => true };

test("who waits when the node ends goes on; so does who begins to wait afterwards; who has given up does not", async () => {
  let timers: TickTock | null = ENDED as TickTock;
  const clock = new LifeRaftClock(() => timers, new SimClock());
  let fired = 0;
  clock.setTimer(5, () => fired++).cancel();
  const before = pause(clock, 10);
  timers = null;
  clock.end();
  await before;
  const given = clock.setTimer(0, () => fired++);
  given.cancel();
  await pause(clock, 10);
  assert.equal(fired, 0);
});
