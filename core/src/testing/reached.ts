import { setTimeout as delay } from "node:timers/promises";

/** Longest wait for a state, on a machine that does much else; a test that needs it has failed. */
const LIMIT_MS = 40_000;

/** Waits for a state. Only for tests. @throws Error when it does not come. */
export async function reached(state: () => boolean): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!state()) {
    if (performance.now() > deadline) throw new Error(`never reached: ${state.toString()}`);
    await delay(5);
  }
}
