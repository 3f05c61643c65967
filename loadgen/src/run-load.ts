import { availableParallelism } from "node:os";
import { Latency } from "./latency.ts";
import { LoadError } from "./load-error.ts";
import { type LoadOptions, type LoadPlan, planLoad } from "./load-options.ts";
import { type LoadResult, loadResult } from "./load-result.ts";
import { type Scouted, scout, urlOf } from "./scout.ts";
import { addCounts, type Counts, Tally } from "./tally.ts";
import type { WorkerPlan, WorkerResult } from "./worker-messages.ts";
import { WorkerProcess } from "./worker-process.ts";

/** How long a process may take to say goodbye for its clients. */
const FAREWELL_MS = 8_000;

export type LoadPhase = "joining" | "warming-up" | "measuring" | "finishing";

/** How it goes, once a second. */
export interface LoadProgress {
  readonly phase: LoadPhase;
  /** Since the phase began. */
  readonly seconds: number;
  readonly clients: number;
  readonly joined: number;
  readonly joinsFailed: number;
  /** Per second since the last progress, all clients together. */
  readonly sentRate: number;
  readonly acknowledgedRate: number;
  /** Of the messages acknowledged since the last progress. */
  readonly roundTripMs: { readonly p50: number; readonly p99: number };
  readonly errors: number;
  readonly sequenceErrors: number;
}

export interface LoadDependencies {
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Called when a phase begins; the measured window lasts from `measuring` to `finishing`. */
  onPhase?: ((phase: LoadPhase) => void) | undefined;
  /** Ends the load early; the result is of what there was. */
  signal?: AbortSignal | undefined;
}

/**
 * Puts load on a world with real clients in processes of their own, and measures. Returns also when the
 * server did badly: that is what the result is for.
 * @throws LoadError when the options are wrong, or nobody can join at all.
 */
export async function runLoad(
  options: LoadOptions,
  dependencies: LoadDependencies = {},
): Promise<LoadResult> {
  const plan = planLoad(options, availableParallelism());
  const scouted = await scout(plan);
  const run = new LoadRun(plan, scouted, dependencies);
  try {
    return await run.run();
  } finally {
    await run.stop();
  }
}

class LoadRun {
  private readonly plan: LoadPlan;
  private readonly scouted: Scouted;
  private readonly dependencies: LoadDependencies;
  private readonly workers: WorkerProcess[];
  private readonly recent = new Latency();
  private phase: LoadPhase = "joining";
  private phaseBeganAt = performance.now();
  private toldAt = performance.now();
  private told: Pick<Counts, "sentEver" | "acknowledgedEver"> = {
    sentEver: 0,
    acknowledgedEver: 0,
  };
  private heard = 0;
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(plan: LoadPlan, scouted: Scouted, dependencies: LoadDependencies) {
    this.plan = plan;
    this.scouted = scouted;
    this.dependencies = dependencies;
    this.workers = Array.from(
      { length: plan.processes },
      () => new WorkerProcess(plan, (progress) => this.progressed(progress.roundTrip)),
    );
  }

  async run(): Promise<LoadResult> {
    const { workers } = this;
    const { signal } = this.dependencies;
    const halt = () => {
      for (const worker of workers) worker.tell({ type: "stop" });
    };
    signal?.addEventListener("abort", halt, { once: true });
    for (const [i, worker] of workers.entries())
      worker.tell({ type: "join", plan: this.workerPlan(i) });
    if (signal?.aborted) halt();
    try {
      await Promise.all(workers.map((worker) => worker.joined));
      this.go();
      const results = await Promise.all(workers.map((worker) => worker.done));
      return this.result(results, signal?.aborted ?? false);
    } finally {
      signal?.removeEventListener("abort", halt);
      for (const timer of this.timers) clearTimeout(timer);
    }
  }

  /** Waits for the processes to end; they leave the world before they do. */
  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop(FAREWELL_MS)));
  }

  private go(): void {
    const { plan } = this;
    const warmUpMs = plan.warmUpSeconds * 1000;
    const windowMs = plan.seconds * 1000;
    for (const worker of this.workers)
      worker.tell({
        type: "go",
        timing: { warmUpMs, windowMs, graceMs: plan.graceSeconds * 1000 },
      });
    this.enter("warming-up");
    this.timers.push(
      setTimeout(() => this.enter("measuring"), warmUpMs),
      setTimeout(() => this.enter("finishing"), warmUpMs + windowMs),
    );
  }

  private enter(phase: LoadPhase): void {
    this.phase = phase;
    this.phaseBeganAt = performance.now();
    this.dependencies.onPhase?.(phase);
  }

  private workerPlan(index: number): WorkerPlan {
    const { plan, scouted } = this;
    const first = Math.floor((plan.clients * index) / plan.processes);
    const next = Math.floor((plan.clients * (index + 1)) / plan.processes);
    return {
      url: urlOf(plan),
      world: plan.world,
      definition: scouted.definition,
      message: scouted.message,
      rate: plan.rate,
      input: scouted.input,
      inputRate: plan.inputRate,
      first,
      clients: next - first,
      allClients: plan.clients,
      rampMs: plan.rampSeconds * 1000,
      seed: plan.seed,
      tickets: plan.tickets?.slice(first, next),
      serverKey: plan.serverKey,
      check: plan.check,
      history: historyFile(plan, index),
      remote: plan.remote,
    };
  }

  /** Tells of the progress when every process has told of its own. */
  private progressed(roundTrip: string): void {
    this.recent.merge(roundTrip);
    this.heard += 1;
    if (this.heard < this.workers.length) return;
    this.heard = 0;
    const sum = new Tally();
    let errors = 0;
    let sequenceErrors = 0;
    for (const { progress } of this.workers) {
      if (progress === undefined) continue;
      addCounts(sum.counts, progress.counts);
      errors += progress.errors;
      sequenceErrors += progress.sequenceErrors;
    }
    const { counts } = sum;
    const at = performance.now();
    const seconds = (at - this.toldAt) / 1000;
    const rate = (name: "sentEver" | "acknowledgedEver") =>
      Math.round((counts[name] - this.told[name]) / seconds);
    this.dependencies.onProgress?.({
      phase: this.phase,
      seconds: (at - this.phaseBeganAt) / 1000,
      clients: this.plan.clients,
      joined: counts.joined,
      joinsFailed: counts.joinsFailed,
      sentRate: rate("sentEver"),
      acknowledgedRate: rate("acknowledgedEver"),
      roundTripMs: { p50: this.recent.percentile(0.5), p99: this.recent.percentile(0.99) },
      errors,
      sequenceErrors,
    });
    this.toldAt = at;
    this.told = counts;
    this.recent.reset();
  }

  private result(results: readonly (WorkerResult | undefined)[], stopped: boolean): LoadResult {
    const { plan, scouted } = this;
    const tally = new Tally();
    const workers: WorkerResult[] = [];
    results.forEach((result, i) => {
      if (result === undefined) {
        tally.error("process-lost", this.workers[i]?.output || "it ended without a word");
        return;
      }
      tally.merge(result.tally);
      workers.push(result);
    });
    if (workers.length === 0)
      throw new LoadError(
        "load-lost",
        `every process that made load is gone: ${tally.examples.join("; ")}`,
      );
    return loadResult({ plan, scouted, tally, workers, stopped });
  }
}

function historyFile({ history, processes }: LoadPlan, index: number): string | undefined {
  return history === undefined || processes === 1 ? history : `${history}.${index + 1}`;
}
