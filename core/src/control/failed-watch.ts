import { ControlError } from "./control-error.ts";
import type { Watch, WatchEvents } from "./control-store.ts";

/**
 * The watch of a request that was refused before it was asked: told after the call of `watch`, as promised.
 * What is no ControlError is thrown on.
 */
export function failedWatch(error: unknown, events: WatchEvents): Watch {
  if (!(error instanceof ControlError)) throw error;
  let closed = false;
  queueMicrotask(() => {
    if (!closed) events.failed(error);
  });
  return {
    close: () => {
      closed = true;
    },
  };
}
