import { spawn } from "node:child_process";
import { LineSplitter } from "./log-lines.ts";

export interface ChildCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: { readonly [name: string]: string | undefined };
}

/** How a process ended, as people read it, and the exit code where there was one. */
export interface ChildExit {
  readonly code: number | undefined;
  readonly text: string;
}

/** A process that ends, in order, when its IPC channel to us closes: by `askToStop`, or because we are gone. */
export interface Child {
  readonly pid: number | undefined;
  /** Resolves once it is gone and all it wrote was taken. Never rejects. */
  readonly exited: Promise<ChildExit>;
  /** Asks for an orderly stop. Idempotent. */
  askToStop(): void;
  /** Ends it at once. */
  kill(): void;
}

/**
 * Starts a process whose lines, of both outputs, go to `onLine`. It is in a process group of its own: a Ctrl+C in
 * the terminal is heard by us alone, who then stop the processes in order.
 */
export function startChild(command: ChildCommand, onLine: (line: string) => void): Child {
  const { file, args, cwd, env } = command;
  const child = spawn(file, args, {
    cwd,
    env,
    detached: true,
    windowsHide: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const taken = [child.stdout, child.stderr].map(
    (stream) =>
      new Promise<void>((resolve) => {
        const lines = new LineSplitter(onLine);
        stream?.on("data", (chunk: Buffer) => lines.push(chunk));
        stream?.once("close", () => {
          lines.end();
          resolve();
        });
      }),
  );
  const exited = new Promise<ChildExit>((resolve) => {
    child.once("error", (error) => {
      // Also told when a signal could not be sent; then it is still there, and will be gone some time.
      if (child.pid !== undefined) onLine(error.message);
      else resolve({ code: undefined, text: `could not be started: ${error.message}` });
    });
    // Not "close": that never comes when it was us who closed the channel.
    child.once("exit", (code, signal) => {
      const text = signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
      void Promise.all(taken).then(() => resolve({ code: code ?? undefined, text }));
    });
  });
  return {
    pid: child.pid,
    exited,
    askToStop() {
      if (child.connected) child.disconnect();
    },
    kill() {
      child.kill("SIGKILL");
    },
  };
}
