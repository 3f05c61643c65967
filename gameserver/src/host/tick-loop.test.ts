import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import { type Ticking, TickLoop } from "./tick-loop.ts";

class Metronome implements Ticking {
  nextAt: number;
  readonly ran: number[] = [];
  private readonly every: number;

  constructor(every: number, first: number) {
    this.every = every;
    this.nextAt = first;
  }

  run(now: number): void {
    this.ran.push(now);
    this.nextAt += this.every;
  }
}

test("many worlds tick on time; an idle one arms nothing until it is woken", () => {
  const clock = new SimClock();
  const loop = new TickLoop(clock);
  const fast = new Metronome(10, 10);
  const slow = new Metronome(25, 25);
  const idle = new Metronome(10, Number.POSITIVE_INFINITY);
  for (const one of [fast, slow, idle]) loop.wake(one);
  clock.advance(100);
  assert.equal(fast.ran.length, 10);
  assert.equal(slow.ran.length, 4);
  assert.equal(idle.ran.length, 0);
  idle.nextAt = 105;
  loop.wake(idle);
  clock.advance(5);
  assert.deepEqual(idle.ran, [105]);
});

test("a loop of idle worlds waits for nothing", () => {
  const clock = new SimClock();
  const loop = new TickLoop(clock);
  const once = new Metronome(Number.POSITIVE_INFINITY, 10);
  loop.wake(once);
  clock.advance(10);
  assert.deepEqual(once.ran, [10]);
  assert.equal(clock.pending, 0);
});

test("a removed world does not tick again", () => {
  const clock = new SimClock();
  const loop = new TickLoop(clock);
  const gone = new Metronome(10, 10);
  loop.wake(gone);
  clock.advance(10);
  gone.nextAt = Number.POSITIVE_INFINITY;
  loop.remove(gone);
  clock.advance(100);
  assert.equal(gone.ran.length, 1);
});

test("under overload every world gets its turn", () => {
  const clock = new SimClock();
  const loop = new TickLoop(clock);
  // All of them are always due: nobody may be left behind the others.
  const worlds = Array.from({ length: 200 }, () => new Metronome(0.01, 1));
  for (const world of worlds) loop.wake(world);
  clock.advance(1);
  for (let turn = 0; turn < 12; turn++) clock.advance(1);
  const counts = worlds.map((world) => world.ran.length);
  assert.ok(Math.min(...counts) > 0, `from ${Math.min(...counts)} to ${Math.max(...counts)}`);
});
