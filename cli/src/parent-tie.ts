/** Hidden flag, in front of the command: this process ends, in order, when its parent does. For supervisors. */
export const STOP_WITH_PARENT = "--stop-with-parent";

/**
 * Calls `onGone` once the IPC channel to the parent is closed: the parent asks for a stop that way, and when it is
 * killed, the system does. It works alike on every system, also where there are no signals.
 *
 * What this process still writes then has no reader; that must not keep it from saving its worlds, so a broken
 * pipe is no error any more.
 */
export function tieToParent(onGone: () => void): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  // It may be gone already.
  if (!process.connected) return onGone();
  process.once("disconnect", onGone);
  // Waiting for it is no reason to live.
  process.channel?.unref();
}
