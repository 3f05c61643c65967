import inspector from "node:inspector";
import { Script } from "node:vm";
import type { Guard } from "../shard/guarded.ts";

/** In a worker thread `inspector.url()` does not know of a debugger of the process: its flags tell. */
const startedWithInspector = process.execArgv.some((flag) => flag.startsWith("--inspect"));

declare global {
  // The script below finds its work here: `vm` scripts take no arguments.
  var atlasnetGuarded: (() => void) | undefined;
}

const script = new Script("globalThis.atlasnetGuarded()", { filename: "world-tick" });

/** World code that was cut off after less of its limit than this, in CPU time, is not what took so long. */
const STALLED_SHARE = 0.25;

/**
 * Runs world code under a time limit: Node's `vm` timeout stops even a loop without end, inside a
 * worker thread, while the thread lives on (about 76 µs a call). With limit 0, or while a debugger is
 * attached, nothing is interrupted. What a module does while it is imported cannot be limited.
 *
 * The timeout goes by the clock, which runs on while the process is stopped or its machine pauses, and cannot be
 * told to wait. So the CPU time says afterwards whose fault it was.
 */
export function createGuard(limitMs: number, cpuMs: () => number = usedCpuMs): Guard {
  return (run) => {
    if (limitMs === 0 || startedWithInspector || inspector.url() !== undefined) {
      run();
      return "done";
    }
    globalThis.atlasnetGuarded = run;
    const before = cpuMs();
    try {
      script.runInThisContext({ timeout: limitMs });
      return "done";
    } catch (error) {
      if (!isTimeout(error)) throw error;
      return cpuMs() - before < limitMs * STALLED_SHARE ? "stalled" : "interrupted";
    } finally {
      globalThis.atlasnetGuarded = undefined;
    }
  };
}

/**
 * CPU time of this thread, or, before Node 23.9, of the process: other threads' is in it, so that a thread that got no
 * CPU on a busy machine counts as too slow there, and only a standstill of all of them is recognized.
 */
function usedCpuMs(): number {
  const { user, system }: NodeJS.CpuUsage =
    typeof threadCpuUsage === "function" ? threadCpuUsage.call(process) : process.cpuUsage();
  return (user + system) / 1_000;
}

/** The types are those of Node 20. */
const threadCpuUsage: unknown = Reflect.get(process, "threadCpuUsage");

function isTimeout(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
}
