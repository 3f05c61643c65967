import { type Clock, OperatingError, type Timer } from "@atlasnet/core";
import type { Child, ChildExit } from "./child.ts";
import { NO_FIGURES, type NodeFigures } from "./metrics-text.ts";
import type { Health, Probe } from "./probe.ts";
import { RestartHistory, type RestartPolicy } from "./restart-policy.ts";
import type { NodeState } from "./table.ts";

/** Exit code for a configuration that cannot be used: it will be the same the next time. */
const USAGE_EXIT = 2;
/** Between two looks at a process: while it starts, and then. */
const STARTING_POLL_MS = 200;
const POLL_MS = 1_000;

export interface ManagedNodeOptions {
  readonly node: string;
  readonly restarts: RestartPolicy;
  /** A stop that takes longer ends in a kill. */
  readonly stopTimeoutMs: number;
}

export interface ManagedNodeDependencies {
  readonly clock: Clock;
  /** Starts the process; `first` is false for a restart. */
  spawn(first: boolean): Child;
  probe(): Promise<Probe>;
  /** Told of every change; `note` says why, for people. */
  changed(state: NodeState, note: string): void;
}

/**
 * One process of a cluster, kept alive.
 *
 * 1. There is at most one process at a time; the next is started only when the last is gone.
 * 2. Once a stop was asked for, none is started any more. One that is rolled is, at once, and that is no restart.
 * 3. What a probe says counts only for the process it was asked of.
 */
export class ManagedNode {
  state: NodeState = "exited";
  figures: NodeFigures = NO_FIGURES;
  /** Cores in use between the last two looks. */
  cores: number | undefined;
  private readonly options: ManagedNodeOptions;
  private readonly dependencies: ManagedNodeDependencies;
  private readonly history: RestartHistory;
  private child: Child | undefined;
  private timer: Timer | undefined;
  private stopping = false;
  /** It was asked to end so that the next one takes its place. */
  private rolling = false;
  private readonly waiting = new Set<() => void>();
  private measured: { at: number; cpuSeconds: number } | undefined;
  private gone: Promise<void> = Promise.resolve();

  constructor(options: ManagedNodeOptions, dependencies: ManagedNodeDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.history = new RestartHistory(options.restarts);
  }

  get node(): string {
    return this.options.node;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get restarts(): number {
    return this.history.total;
  }

  /** True when it is down and stays so. */
  get over(): boolean {
    return this.state === "exited";
  }

  start(): void {
    this.launch(true);
  }

  /** Asks the process to end, and ends it when that takes too long. Idempotent; resolves once it is gone. */
  async stop(): Promise<void> {
    const first = !this.stopping;
    this.stopping = true;
    const { child } = this;
    if (child === undefined) {
      this.timer?.cancel();
      if (this.state !== "exited") this.become("exited", "");
      return;
    }
    if (first) {
      this.become("draining", "");
      child.askToStop();
    }
    const { stopTimeoutMs } = this.options;
    const timeout = this.dependencies.clock.setTimer(stopTimeoutMs, () => {
      this.become(
        "draining",
        `did not stop within ${Math.round(stopTimeoutMs / 1000)} s and is killed`,
      );
      child.kill();
    });
    await this.gone;
    timeout.cancel();
  }

  /**
   * Asks the process to end, in order, and starts the next; resolves once that one is ready.
   * @throws OperatingError when it is stopped meanwhile, or does not come back
   */
  async roll(): Promise<void> {
    const { child } = this;
    if (child !== undefined && !this.stopping) {
      this.rolling = true;
      this.become("draining", "is rolled");
      child.askToStop();
      const { stopTimeoutMs } = this.options;
      const timeout = this.dependencies.clock.setTimer(stopTimeoutMs, () => child.kill());
      await this.gone;
      timeout.cancel();
    }
    while (this.state !== "ready") {
      if (this.over || this.stopping)
        throw new OperatingError(
          "not-rolled",
          `${this.node} is ${this.state}, and was to be ready`,
          {
            hint: "Why it ended stands in its log, above.",
          },
        );
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  /** Ends the process at once, and for good. */
  kill(): void {
    this.stopping = true;
    if (this.child !== undefined) return this.child.kill();
    this.timer?.cancel();
    if (this.state !== "exited") this.become("exited", "");
  }

  private launch(first: boolean): void {
    const child = this.dependencies.spawn(first);
    this.child = child;
    this.measured = undefined;
    this.become("starting", first ? "" : "again");
    this.gone = child.exited.then((exit) => this.ended(exit));
    this.watch(child, STARTING_POLL_MS);
  }

  private ended(exit: ChildExit): void {
    const { clock } = this.dependencies;
    this.timer?.cancel();
    this.child = undefined;
    this.figures = NO_FIGURES;
    this.cores = undefined;
    if (this.stopping) return this.become("exited", "");
    if (this.rolling) {
      this.rolling = false;
      return this.launch(false);
    }
    if (exit.code === USAGE_EXIT)
      return this.become("exited", `${exit.text}: its configuration cannot be used`);
    const decision = this.history.died(clock.now());
    if (!decision.restart) return this.become("exited", `${exit.text} and stays down${this.why()}`);
    const seconds = decision.waitMs / 1000;
    this.become("restarting", `${exit.text}; starts again in ${seconds} s`);
    this.timer = clock.setTimer(decision.waitMs, () => this.launch(false));
  }

  private why(): string {
    const { maxRestarts, windowMs } = this.options.restarts;
    if (maxRestarts === 0) return "";
    return `: it was restarted ${maxRestarts} times within ${Math.round(windowMs / 1000)} s`;
  }

  private watch(child: Child, ms: number): void {
    this.timer = this.dependencies.clock.setTimer(ms, () => {
      this.dependencies.probe().then(
        (probe) => {
          if (this.child !== child) return;
          this.take(probe);
          this.watch(child, this.state === "starting" ? STARTING_POLL_MS : POLL_MS);
        },
        (error: unknown) => this.become("failing", String(error)),
      );
    });
  }

  private take({ health, figures }: Probe): void {
    this.figures = figures;
    this.measure(figures.cpuSeconds);
    // What was asked for counts more than what a process says that has not heard of it yet.
    if (this.stopping || this.rolling) return;
    const next = nextState(this.state, health);
    if (next !== this.state) this.become(next, next === "failing" ? health.reason : "");
  }

  private measure(cpuSeconds: number | undefined): void {
    if (cpuSeconds === undefined) return;
    const at = this.dependencies.clock.now();
    const { measured } = this;
    this.measured = { at, cpuSeconds };
    if (measured === undefined || at <= measured.at) return;
    this.cores = Math.max(0, ((cpuSeconds - measured.cpuSeconds) * 1000) / (at - measured.at));
  }

  private become(state: NodeState, note: string): void {
    this.state = state;
    this.dependencies.changed(state, note);
    for (const wake of this.waiting) wake();
    this.waiting.clear();
  }
}

/** A process that has not been ready yet is starting, whatever else it says; later it is failing. */
function nextState(state: NodeState, health: Health): NodeState {
  if (health.answers && health.ready) return "ready";
  if (health.answers && health.draining) return "draining";
  return state === "starting" ? "starting" : "failing";
}
