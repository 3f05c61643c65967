import inspector from "node:inspector";
import { Script } from "node:vm";

/** In a worker thread `inspector.url()` does not know of a debugger of the process: its flags tell. */
const startedWithInspector = process.execArgv.some((flag) => flag.startsWith("--inspect"));

declare global {
  // The script below finds its work here: `vm` scripts take no arguments.
  var atlasnetGuarded: (() => void) | undefined;
}

const script = new Script("globalThis.atlasnetGuarded()", { filename: "world-tick" });

/**
 * Runs world code under a time limit: Node's `vm` timeout stops even a loop without end, inside a
 * worker thread, while the thread lives on (about 76 µs a call). With limit 0, or while a debugger is
 * attached, nothing is interrupted. What a module does while it is imported cannot be limited.
 */
export function createGuard(limitMs: number): (run: () => void) => "done" | "interrupted" {
  return (run) => {
    if (limitMs === 0 || startedWithInspector || inspector.url() !== undefined) {
      run();
      return "done";
    }
    globalThis.atlasnetGuarded = run;
    try {
      script.runInThisContext({ timeout: limitMs });
      return "done";
    } catch (error) {
      if (isTimeout(error)) return "interrupted";
      throw error;
    } finally {
      globalThis.atlasnetGuarded = undefined;
    }
  };
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
}
