import type { SimClock } from "@atlasnet/core/sim";

/** Events after which the real event loop has a turn, so that a long run can be interrupted. */
const EVENTS_PER_TURN = 5_000;

/**
 * Steps a simulated clock until `isOver` says so. Between two events everything goes on that needs no time: the queue
 * of promises is empty before a callback of `nextTick` runs. Nothing in a simulation may wait for anything else.
 */
export async function drive(
  clock: SimClock,
  { isOver, maxEvents }: { readonly isOver: () => boolean; readonly maxEvents: number },
): Promise<number> {
  let events = 0;
  await settled();
  for (; !isOver(); events++) {
    if (events >= maxEvents) throw new Error(`more than ${maxEvents} events`);
    if (!clock.step()) throw new Error("nothing is left to happen");
    await settled();
    if (events % EVENTS_PER_TURN === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return events;
}

function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
