import { type Clock, checkTimer, type Timer } from "../ports/clock.ts";

/** The machine's clocks. Its timers keep the process alive: whoever sets one cancels it at `stop`. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer(ms: number, fn: () => void): Timer {
    checkTimer(ms);
    const handle = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(handle) };
  },
};
