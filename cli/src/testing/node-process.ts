import { fileURLToPath } from "node:url";
import { type Child, type ChildExit, startChild } from "../cluster/child.ts";
import type { NodePlan } from "../cluster/layout.ts";
import { parseMetrics, type Sample } from "../cluster/metrics-text.ts";
import { LOOPBACK } from "../cluster/node-config.ts";
import { probe } from "../cluster/probe.ts";
import { STOP_WITH_PARENT } from "../parent-tie.ts";
import { until } from "./until.ts";

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));
/** Lines that are kept of all runs of a process; older ones go. */
const MAX_LINES = 5_000;
/** A process that is paused does not answer at all. */
const ANSWER_MS = 2_000;

export interface NodeProcessOptions {
  readonly plan: NodePlan;
  /** The configuration file. */
  readonly config: string;
  /** Beside the file, at every start. */
  readonly flags: readonly string[];
  /** Of Node. */
  readonly execArgv?: readonly string[];
}

/**
 * `atlasnet proxy` or `atlasnet gameserver` as its users run it: a process that a test starts, kills, pauses and
 * starts again, always with the same ports and folders. It ends with the process of the test at the latest.
 */
export class NodeProcess {
  readonly plan: NodePlan;
  /** What it wrote, of all its runs. */
  readonly lines: string[] = [];
  private readonly options: NodeProcessOptions;
  private child: Child | undefined;

  constructor(options: NodeProcessOptions) {
    this.options = options;
    this.plan = options.plan;
  }

  get node(): string {
    return this.plan.node;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** `flags` are for this run alone. */
  start(flags: readonly string[] = []): void {
    if (this.child !== undefined) throw new Error(`${this.node} runs already`);
    const { config, execArgv = [] } = this.options;
    const child = startChild(
      {
        file: process.execPath,
        args: [
          ...execArgv,
          ...[MAIN, STOP_WITH_PARENT, this.plan.role, "--config", config],
          ...[...this.options.flags, ...flags],
        ],
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

  /** Resolves once `/ready` says so. @throws Error with what it said when it ends before. */
  async ready(): Promise<void> {
    const { child } = this;
    await until(`${this.node} is ready`, async () => {
      if (child === undefined || this.child !== child)
        throw new Error(`${this.node} ended:\n${this.lines.slice(-20).join("\n")}`);
      const { health } = await this.probe();
      return health.answers && health.ready;
    });
  }

  probe() {
    const { role, ports } = this.plan;
    return probe({ host: LOOPBACK, port: ports.health, role, timeoutMs: ANSWER_MS });
  }

  signal(signal: NodeJS.Signals): void {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error(`${this.node} does not run`);
    process.kill(pid, signal);
  }

  /** As `kill -9`. Resolves once it is gone; the signal is sent before this returns. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  /** As an operator does it, with SIGTERM. Resolves once it is gone. */
  stop(): Promise<ChildExit> {
    return this.end("SIGTERM");
  }

  /** Ends what there is, in whatever state. */
  async destroy(): Promise<void> {
    if (this.child !== undefined) await this.kill();
  }

  /** @throws Error when it does not answer. */
  async samples(): Promise<readonly Sample[]> {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const url = `http://${LOOPBACK}:${this.plan.ports.health}/metrics`;
    return parseMetrics(await (await fetch(url, { signal })).text());
  }

  /** The sum of a metric over all samples with these labels; 0 when there are none. */
  async metric(name: string, labels: { readonly [name: string]: string } = {}): Promise<number> {
    const wanted = Object.entries(labels);
    return (await this.samples())
      .filter((sample) => sample.name === name)
      .filter((sample) => wanted.every(([key, value]) => sample.labels[key] === value))
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** Resolves once a line of it fits that was not there at `from`, a length of `lines`. */
  async logged(pattern: RegExp, from = 0): Promise<void> {
    await until(`${this.node} writes ${pattern}`, () =>
      this.lines.slice(from).some((line) => pattern.test(line)),
    );
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
