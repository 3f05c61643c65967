import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FromWorker, ToWorker, WorkerProgress, WorkerResult } from "./worker-messages.ts";

/** What is kept of what a process says when it fails. */
const MAX_OUTPUT = 4_000;

/** One process that plays clients, as its coordinator sees it. Its creator calls `stop`. */
export class WorkerProcess {
  /** What it counted so far. */
  progress: WorkerProgress | undefined;
  /** Settles with true when its clients are in or have failed, with false when it ended before. */
  readonly joined: Promise<boolean>;
  /** Settles with its result, with undefined when it ended without one. */
  readonly done: Promise<WorkerResult | undefined>;
  /** The end of what it printed: why it failed. */
  output = "";
  private readonly child: ChildProcess;
  private readonly exited: Promise<void>;
  private readonly onProgress: (progress: WorkerProgress) => void;
  private resolveJoined: (joined: boolean) => void = nothing;
  private resolveDone: (result: WorkerResult | undefined) => void = nothing;

  constructor(
    { execArgv }: { execArgv: readonly string[] },
    onProgress: (progress: WorkerProgress) => void,
  ) {
    this.onProgress = onProgress;
    this.joined = new Promise((resolve) => {
      this.resolveJoined = resolve;
    });
    this.done = new Promise((resolve) => {
      this.resolveDone = resolve;
    });
    const file = fileURLToPath(new URL("./worker-main.js", import.meta.url));
    this.child = fork(file, [], {
      execArgv: [...execArgv],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    const keep = (chunk: Buffer) => {
      this.output = (this.output + chunk.toString()).slice(-MAX_OUTPUT);
    };
    this.child.stdout?.on("data", keep);
    this.child.stderr?.on("data", keep);
    this.child.on("message", (message: FromWorker) => this.received(message));
    this.exited = new Promise((resolve) => {
      this.child.once("exit", () => resolve());
      // It could not be started.
      this.child.once("error", (error) => {
        this.output += String(error);
        resolve();
      });
    });
    void this.exited.then(() => {
      this.resolveJoined(false);
      this.resolveDone(undefined);
    });
  }

  private received(message: FromWorker): void {
    switch (message.type) {
      case "joined":
        this.resolveJoined(true);
        break;
      case "progress":
        this.progress = message.progress;
        this.onProgress(message.progress);
        break;
      case "done":
        this.resolveDone(message.result);
        break;
    }
  }

  /** What a process that is gone does not hear is not missed: `done` tells of its end. */
  tell(message: ToWorker): void {
    if (this.child.connected) this.child.send(message, nothing);
  }

  /** Waits until it ended; after `patienceMs` it is killed. */
  async stop(patienceMs: number): Promise<void> {
    const timer = setTimeout(() => this.child.kill("SIGKILL"), patienceMs);
    await this.exited;
    clearTimeout(timer);
  }
}

function nothing(): void {}
