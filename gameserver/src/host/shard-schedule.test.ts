import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import type { ToShard } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import { ShardSchedule } from "./shard-schedule.ts";

const NEVER = Number.POSITIVE_INFINITY;
/** At 20 ticks a second. */
const TICK_MS = 50;

/** A shard that has nothing to do, but for what a test gives it. */
class FakeShard {
  busy = false;
  timerAt = NEVER;
  tick = 0;
  readonly store = this;

  nextDue(): number {
    return this.timerAt;
  }

  nextTimerDue(): number {
    return this.timerAt;
  }
}

describe("a shard's next tick", () => {
  let clock: SimClock;
  let shard: FakeShard;

  beforeEach(() => {
    clock = new SimClock();
    shard = new FakeShard();
  });

  const make = (hasTick = false) => new ShardSchedule({ clock }, shard, { tickRate: 20, hasTick });

  /** Makes the tick that is due at this moment, in no time. */
  function makeTick(schedule: ShardSchedule): number {
    const now = clock.now();
    shard.tick = schedule.take(now, schedule.due());
    schedule.made(shard.tick, now, now);
    return shard.tick;
  }

  test("is due when there is something to do, or its timer has come", () => {
    const schedule = make();
    assert.equal(schedule.due(), NEVER);
    shard.timerAt = 4;
    assert.equal(schedule.due(), 4 * TICK_MS);
    assert.equal(schedule.timerInMs, 4 * TICK_MS);
    shard.busy = true;
    assert.equal(schedule.due(), TICK_MS);
  });

  test("is that of the moment after a rest, and the next one for a world that ticks all the time", () => {
    for (const [hasTick, tick] of [
      [false, 40],
      [true, 1],
    ] as const) {
      clock = new SimClock();
      shard = new FakeShard();
      shard.busy = hasTick;
      const schedule = make(hasTick);
      clock.advance(40 * TICK_MS);
      shard.busy = true;
      assert.equal(makeTick(schedule), tick);
      assert.equal(schedule.pace.perMille, 1000, "the rest was no overload");
    }
  });

  test("does not come while it stands still, nor earlier or later for that", () => {
    const schedule = make();
    shard.timerAt = 4;
    clock.advance(TICK_MS);
    schedule.standStill(true);
    assert.equal(schedule.due(), NEVER);
    clock.advance(60_000);
    schedule.standStill(true);
    schedule.standStill(false);
    assert.equal(schedule.due(), clock.now() + 3 * TICK_MS);
    schedule.standStill(true);
    clock.advance(1_000);
    schedule.begin(shard, { tickRate: 20, hasTick: false });
    clock.advance(1_000);
    schedule.standStill(false);
    assert.equal(
      schedule.due(),
      clock.now() + 4 * TICK_MS,
      "what was before another shard is over",
    );
  });

  test("is behind when a timer waits and no tick was counted", () => {
    const schedule = make();
    clock.advance(2 * TICK_MS);
    assert.equal(schedule.isBehind, false, "it has no timer");
    shard.timerAt = 4;
    assert.equal(schedule.isBehind, true);
    assert.equal(makeTick(schedule), 2);
    assert.equal(schedule.isBehind, false);
  });

  test("leaves out those that it slept through, up to the timer", () => {
    shard.timerAt = 100;
    const slept = { fileEpoch: 1, tick: 0, timeline: 1, crc: 0, wakeInMs: 100 * TICK_MS };
    const schedule = make();
    schedule.wake({ ...slept, elapsedMs: 30 * TICK_MS });
    schedule.begin(shard, { tickRate: 20, hasTick: true }, clock.now() + 5);
    const inMs = schedule.due() - clock.now();
    assert.ok(Math.abs(inMs - 70 * TICK_MS) <= TICK_MS, `the timer is due in ${inMs} ms`);
    shard.busy = true;
    assert.equal(schedule.take(clock.now() + 5, schedule.due()), 30);
  });

  const address = { shard: "arena/0", epoch: 1, attach: 1 };
  const who = { account: "ann", name: "", data: null, stream: new Uint8Array(8), attempt: 1 };
  const attach: ToShard = { type: "attach", ...address, ...who, firstUnacked: 1, lastReceived: 0 };

  /** One that took over and expects so many players; its first tick is due at `TICK_MS`. */
  function tookOver(players: number): ShardSchedule {
    const schedule = make(true);
    schedule.begin(shard, { tickRate: 20, hasTick: true }, TICK_MS);
    shard.busy = true;
    schedule.expect(players, TICK_MS);
    return schedule;
  }

  test("is held up for players who come back, until they are there", () => {
    const schedule = tookOver(1);
    assert.equal(schedule.due(), 1.5 * TICK_MS);
    schedule.saw([{ type: "detach", ...address }]);
    assert.equal(schedule.due(), 1.5 * TICK_MS);
    schedule.saw([attach]);
    assert.equal(schedule.due(), TICK_MS, "everybody is there");
  });

  test("is no sign of overload when it was held up for players who never came", () => {
    const schedule = tookOver(1);
    clock.advance(1.5 * TICK_MS + 5);
    assert.equal(makeTick(schedule), 1);
    assert.equal(schedule.pace.perMille, 1000);
    assert.equal(schedule.due(), 2 * TICK_MS, "what was held up is made up for");
  });

  test("is made at once when the last players come behind the first one, and the others follow in step", () => {
    const schedule = tookOver(2);
    clock.advance(1.5 * TICK_MS);
    schedule.saw([attach]);
    makeTick(schedule);
    clock.advance(5);
    assert.equal(schedule.due(), 2 * TICK_MS);
    schedule.saw([attach]);
    assert.equal(schedule.due(), clock.now());
    assert.equal(makeTick(schedule), 2);
    assert.equal(schedule.due(), clock.now() + TICK_MS);
    assert.equal(schedule.pace.perMille, 1000);
    clock.advance(5);
    schedule.saw([attach]);
    assert.equal(schedule.due(), clock.now() - 5 + TICK_MS, "nobody else is worth another one");
  });

  test("is not made earlier for who comes long after the others, nor later when it is late already", () => {
    const late = tookOver(1);
    clock.advance(1.5 * TICK_MS);
    makeTick(late);
    clock.advance(0.75 * TICK_MS);
    late.saw([attach]);
    assert.equal(late.due(), 2 * TICK_MS);
    clock = new SimClock();
    shard = new FakeShard();
    const gone = tookOver(1);
    for (let n = 1; n <= 7; n++) {
      clock.advance(TICK_MS);
      makeTick(gone);
    }
    clock.advance(5);
    gone.saw([attach]);
    assert.equal(gone.due(), 8 * TICK_MS);
  });

  test("does not come early while it stands still", () => {
    const schedule = tookOver(1);
    clock.advance(1.5 * TICK_MS);
    makeTick(schedule);
    schedule.standStill(true);
    clock.advance(10);
    schedule.saw([attach]);
    schedule.standStill(false);
    assert.equal(schedule.due(), 2 * TICK_MS + 10);
  });
});
