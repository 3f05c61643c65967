import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import type { DeadlineEntry } from "./deadlines.ts";
import { type Turning, Turns } from "./turns.ts";

/** Notes what it is called for; fails at it when it is to. */
class Noted implements Turning {
  readonly calls: string[] = [];
  failing = false;

  flush(now: number): void {
    if (this.failing) throw new Error("planted");
    this.calls.push(`flush ${now}`);
  }

  wake(now: number): void {
    if (this.failing) throw new Error("planted");
    this.calls.push(`wake ${now}`);
  }
}

function setUp(): { clock: SimClock; turns: Turns<Noted>; faults: Noted[] } {
  const clock = new SimClock();
  const faults: Noted[] = [];
  const fault = (item: Noted) => void faults.push(item);
  return { clock, faults, turns: new Turns({ clock, turn: () => undefined, fault }) };
}

async function endOfTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test("what is added in a turn is flushed at its end, once; one that fails stops nobody", async () => {
  const { clock, turns, faults } = setUp();
  const [a, b] = [new Noted(), new Noted()];
  clock.advance(5);
  a.failing = true;
  turns.add(a);
  turns.add(b);
  assert.deepEqual(b.calls, []);
  await endOfTurn();
  await endOfTurn();
  assert.deepEqual([b.calls, faults], [["flush 5"], [a]]);
});

test("one timer for all deadlines: the nearest one counts, and none is left at the end", async () => {
  const { clock, turns, faults } = setUp();
  const items = [new Noted(), new Noted(), new Noted()];
  const entries: DeadlineEntry<Noted>[] = items.map((item) => turns.deadlines.entry(item));
  const set = (index: number, at: number) => {
    const entry = entries[index];
    if (entry !== undefined) turns.deadlines.set(entry, at);
    turns.plan();
  };
  set(0, 100);
  await endOfTurn();
  set(1, 20);
  set(2, 20);
  await endOfTurn();
  assert.equal(clock.pending, 1);
  const failing = items[2];
  if (failing !== undefined) failing.failing = true;
  clock.advance(20);
  await endOfTurn();
  clock.advance(80);
  await endOfTurn();
  assert.deepEqual(
    items.map(({ calls }) => calls),
    [["wake 100"], ["wake 20"], []],
  );
  assert.deepEqual(faults, [items[2]]);
  assert.equal(clock.pending, 0);
  set(0, 200);
  await endOfTurn();
  turns.stop();
  assert.equal(clock.pending, 0);
});
