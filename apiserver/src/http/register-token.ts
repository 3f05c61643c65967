import { type Clock, ControlError, type ControlStore, type Logger, pause } from "@atlasnet/core";
import type { AdminToken } from "./admin-token-file.ts";
import { encodeTokenRecord, TOKENS } from "./tokens.ts";

const RETRY_MS = 2_000;

/** Puts the administrator's token into the control store if it is not there, however long that takes. */
export function registerTokens(
  { id, record }: AdminToken,
  dependencies: { store: ControlStore; clock: Clock; logger: Logger; signal: AbortSignal },
): void {
  const { store, clock, logger, signal } = dependencies;
  const key = `${TOKENS}${id}`;
  const attempt = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await store.txn({
          compare: [{ type: "modified", key, is: "equal", revision: 0 }],
          then: [{ type: "put", key, value: encodeTokenRecord(record) }],
        });
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ControlError))
          logger.error("The administrator's token could not be registered.", { error });
        else logger.debug("The administrator's token is not registered yet.", { error });
      }
      await pause(clock, RETRY_MS, signal);
    }
  };
  void attempt();
}
