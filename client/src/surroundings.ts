import type { ClientClock, ClientDependencies } from "./connection.ts";
import type { Logger } from "./types.ts";

/** What browsers and Node have in common. */
export const realClock: ClientClock = {
  now: () => performance.now(),
  setTimer(ms, fn) {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

export const consoleLogger: Logger = {
  warn(message, facts) {
    // biome-ignore lint/suspicious/noConsole: the one place where a developer looks.
    console.warn(`AtlasNet: ${message}`, facts ?? "");
  },
};

export const commonSurroundings: Pick<ClientDependencies, "clock" | "random" | "randomBytes"> = {
  clock: realClock,
  random: Math.random,
  randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
};
