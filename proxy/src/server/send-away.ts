import type { Clock, Timer } from "@atlasnet/core";
import type { Visitor } from "./visitor.ts";
import type { Visitors } from "./visitors.ts";

/** Clients are asked to go a few at a time, so often: the other proxies take them in as they come. */
const ROUND_MS = 50;
/** At least so many in a round: 200 in a second. */
const ROUND_CLIENTS = 10;
/** Of the deadline, that asking everybody may take; with many clients rounds are larger. */
const ASKING_SHARE = 0.5;
/** Of the deadline, after which those who are still here are closed. */
const STAYING_SHARE = 0.8;

export interface SendAwayOptions {
  /** Of the drain that this is the first part of. */
  deadlineMs: number;
  /** How long a client may take to go, from being asked. */
  goMs: number;
}

/**
 * Asks everybody who is here to go on through another proxy. Resolves when all are gone, or when those who are left
 * had their time.
 */
export async function sendAway(
  { deadlineMs, goMs }: SendAwayOptions,
  { visitors, clock }: { visitors: Visitors; clock: Clock },
): Promise<void> {
  const startedAt = clock.now();
  visitors.refuse();
  const all: readonly Visitor[] = visitors.all;
  const rounds = Math.max(1, Math.floor((ASKING_SHARE * deadlineMs) / ROUND_MS));
  const size = Math.max(ROUND_CLIENTS, Math.ceil(all.length / rounds));
  for (let at = 0; at < all.length; at += size) {
    if (at > 0) await pause(clock, ROUND_MS).over;
    for (const visitor of all.slice(at, at + size)) visitor.sendAway();
  }
  const left = STAYING_SHARE * deadlineMs - (clock.now() - startedAt);
  const patience = pause(clock, Math.max(0, Math.min(goMs, left)));
  await Promise.race([visitors.gone(), patience.over]);
  patience.timer.cancel();
}

function pause(clock: Clock, ms: number): { over: Promise<void>; timer: Timer } {
  let end = (): void => undefined;
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { over, timer: clock.setTimer(ms, end) };
}
