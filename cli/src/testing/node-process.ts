import type { NodePlan } from "../cluster/layout.ts";
import { parseMetrics, type Sample } from "../cluster/metrics-text.ts";
import { LOOPBACK } from "../cluster/node-config.ts";
import { probe } from "../cluster/probe.ts";
import { AtlasnetChild } from "./atlasnet-child.ts";
import { until } from "./until.ts";

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

/** `atlasnet proxy` or `atlasnet gameserver`, always with the same ports and folders. */
export class NodeProcess extends AtlasnetChild {
  readonly plan: NodePlan;
  private readonly options: NodeProcessOptions;

  constructor(options: NodeProcessOptions) {
    super();
    this.options = options;
    this.plan = options.plan;
  }

  get node(): string {
    return this.plan.node;
  }

  /** `flags` are for this run alone. */
  start(flags: readonly string[] = []): void {
    const { config, execArgv } = this.options;
    this.run([this.plan.role, "--config", config, ...this.options.flags, ...flags], execArgv);
  }

  protected async isReady(): Promise<boolean> {
    const { health } = await this.probe();
    return health.answers && health.ready;
  }

  probe() {
    const { role, ports } = this.plan;
    return probe({ host: LOOPBACK, port: ports.health, role, timeoutMs: ANSWER_MS });
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
}
