import { setTimeout as delay } from "node:timers/promises";

/** Longest wait for a state; a test that needs it has failed. */
const LIMIT_MS = 30_000;
const EVERY_MS = 10;

/** Waits for a state, `what` in words. @throws Error when it does not come. */
export async function until(
  what: string,
  state: () => boolean | Promise<boolean>,
  limitMs: number = LIMIT_MS,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await state())) {
    if (performance.now() > deadline) throw new Error(`never reached: ${what}`);
    await delay(EVERY_MS);
  }
}
