import { type Clock, checkTimer, type Timer } from "../ports/clock.ts";

/** The machine's clocks. Its timers keep the process alive: whoever sets one cancels it at `stop`. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer(ms: number, fn: () => void): Timer {
    checkTimer(ms);
    // The shortest timeout is a millisecond; 0 means the end of this turn of the event loop.
    if (ms === 0) {
      const immediate = setImmediate(fn);
      return { cancel: () => clearImmediate(immediate) };
    }
    const handle = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(handle) };
  },
};
