import { fileURLToPath } from "node:url";
import { type Child, type ChildExit, startChild } from "../cluster/child.ts";
import { STOP_WITH_PARENT } from "../parent-tie.ts";
import { until } from "./until.ts";

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));
/** Lines that are kept of all runs of a process; older ones go. */
const MAX_LINES = 5_000;

/**
 * A process of AtlasNet as its users run it, that a test starts, kills, pauses and starts again. It ends
 * with the process of the test at the latest.
 */
export abstract class AtlasnetChild {
  abstract readonly node: string;
  /** What it wrote, of all its runs. */
  readonly lines: string[] = [];
  private child: Child | undefined;

  /** True once it answers that it is ready. */
  protected abstract isReady(): Promise<boolean>;

  /** `args` begin with the command. */
  protected run(args: readonly string[], execArgv: readonly string[] = []): void {
    if (this.child !== undefined) throw new Error(`${this.node} runs already`);
    const child = startChild(
      {
        file: process.execPath,
        args: [...execArgv, MAIN, STOP_WITH_PARENT, ...args],
        cwd: process.cwd(),
        env: Object.fromEntries(
          Object.entries(process.env).filter(([name]) => !name.startsWith("ATLASNET_")),
        ),
      },
      (line) => this.keep(line),
    );
    this.child = child;
    void child.exited.then(({ text }) => {
      this.keep(`(${text})`);
      if (this.child === child) this.child = undefined;
    });
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get isRunning(): boolean {
    return this.child !== undefined;
  }

  /** Resolves once `/ready` says so. @throws Error with what it said when it ends before. */
  async ready(): Promise<void> {
    const { child } = this;
    await until(`${this.node} is ready`, async () => {
      if (child === undefined || this.child !== child)
        throw new Error(`${this.node} ended:\n${this.lines.slice(-20).join("\n")}`);
      return this.isReady();
    });
  }

  signal(signal: NodeJS.Signals): void {
    const { pid } = this;
    if (pid === undefined) throw new Error(`${this.node} does not run`);
    process.kill(pid, signal);
  }

  /** As `kill -9`. Resolves once it is gone; the signal is sent before this returns. */
  kill(): Promise<ChildExit> {
    return this.end("SIGKILL");
  }

  /** As an operator does it, with SIGTERM. Resolves once it is gone. */
  stop(): Promise<ChildExit> {
    return this.end("SIGTERM");
  }

  /** Ends what there is, in whatever state. */
  async destroy(): Promise<void> {
    if (this.child !== undefined) await this.kill();
  }

  private end(signal: NodeJS.Signals): Promise<ChildExit> {
    const { child } = this;
    if (child === undefined) throw new Error(`${this.node} does not run`);
    this.signal(signal);
    return child.exited;
  }

  private keep(line: string): void {
    this.lines.push(line);
    if (this.lines.length > MAX_LINES) this.lines.splice(0, this.lines.length - MAX_LINES);
  }
}

/** Starts all and waits until each is ready. When one fails, `stop` ends what there is. */
export async function startAll(
  nodes: readonly { start(): void; ready(): Promise<void> }[],
  stop: () => Promise<void>,
): Promise<void> {
  try {
    for (const node of nodes) node.start();
    await Promise.all(nodes.map((node) => node.ready()));
  } catch (error) {
    await stop();
    throw error;
  }
}
