import type { TrafficStats } from "@atlasnet/client";
import type { Counts } from "./tally.ts";

const CARRIED = [
  ...(["bytesIn", "bytesOut", "messagesIn", "messagesOut"] as const),
  ...(["packetsIn", "packetsOut", "packetsLost"] as const),
] as const;
type Carried = { [name in (typeof CARRIED)[number]]: number };
const NOTHING: Carried = {
  bytesIn: 0,
  bytesOut: 0,
  messagesIn: 0,
  messagesOut: 0,
  packetsIn: 0,
  packetsOut: 0,
  packetsLost: 0,
};

export interface MeterDependencies {
  /** What every client's connections carried so far. */
  carried: () => Iterable<TrafficStats>;
  /** CPU time of the process so far. */
  cpuMs: () => number;
}

/** What is used between a beginning and an end: traffic of all clients, and CPU time. */
export class UsageMeter {
  /** CPU time used, once it has ended. */
  cpuMs = 0;
  private readonly dependencies: MeterDependencies;
  private begun: { readonly carried: Carried; readonly cpuMs: number } | undefined;
  private ended = false;

  constructor(dependencies: MeterDependencies) {
    this.dependencies = dependencies;
  }

  get running(): boolean {
    return this.begun !== undefined && !this.ended;
  }

  /** Only the first call counts. */
  begin(): void {
    this.begun ??= { carried: this.sum(), cpuMs: this.dependencies.cpuMs() };
  }

  /** Adds what was used to `counts`. Only the first call counts. */
  end(counts: Counts): void {
    const { begun } = this;
    if (begun === undefined || this.ended) return;
    this.ended = true;
    this.cpuMs = this.dependencies.cpuMs() - begun.cpuMs;
    const carried = this.sum();
    for (const name of CARRIED) counts[name] += carried[name] - begun.carried[name];
  }

  private sum(): Carried {
    const sum = { ...NOTHING };
    for (const stats of this.dependencies.carried())
      for (const name of CARRIED) sum[name] += stats[name];
    return sum;
  }
}
