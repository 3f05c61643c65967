import type { AsleepSlice, MigrationProgress, NodeLoad, ShardProblem } from "@atlasnet/core";
import type { NodeEntry } from "./entries.ts";
import type { Occupancy } from "./occupancy.ts";
import type { BalanceSettings, PlacementSettings } from "./settings.ts";

/** What a load is measured by. */
export interface ReportSettings extends Pick<PlacementSettings, "overloadedAt"> {
  readonly balance: Pick<BalanceSettings, "strainedAt" | "hysteresis">;
}

export interface ReportDependencies {
  /** A report of one that is not among them is passed over. */
  readonly nodes: ReadonlyMap<string, NodeEntry>;
  /** It is told when there may be room again. */
  readonly occupancy: Pick<Occupancy, "roomVersion">;
}

/**
 * What gameservers say of themselves with their heartbeats, kept at their entries. None of it is in the store:
 * a leader that has just begun knows nothing of it. Nothing is decided by it but by the load.
 */
export class NodeReports {
  private readonly settings: ReportSettings;
  private readonly deps: ReportDependencies;

  constructor(settings: ReportSettings, dependencies: ReportDependencies) {
    this.settings = settings;
    this.deps = dependencies;
  }

  /** Figures; `now` in ms of the planner's clock. */
  load(node: string, load: NodeLoad, now: number): void {
    const entry = this.deps.nodes.get(node);
    if (entry === undefined) return;
    const before = this.isOverloaded(entry);
    entry.load = load;
    entry.loadAt = now;
    this.noteStrain(entry, now);
    if (before && !this.isOverloaded(entry)) this.deps.occupancy.roomVersion += 1;
  }

  /** What could not be opened there. */
  problems(node: string, problems: readonly ShardProblem[]): void {
    const entry = this.deps.nodes.get(node);
    if (entry !== undefined) entry.problems = problems;
  }

  /** How migrations come along. */
  migrations(node: string, migrations: readonly MigrationProgress[]): void {
    const entry = this.deps.nodes.get(node);
    if (entry !== undefined) entry.migrations = migrations;
  }

  /** Which shards sleep there, or a part of them. */
  asleep(node: string, slice: AsleepSlice | undefined): void {
    const entry = this.deps.nodes.get(node);
    if (slice === undefined) entry?.asleep.clear();
    else entry?.asleep.learn(slice);
  }

  isOverloaded(node: NodeEntry): boolean {
    return reportedLoad(node) >= this.settings.overloadedAt;
  }

  /** It is over only when the load has fallen by the hysteresis: a figure that swings about the mark counts as one time. */
  private noteStrain(node: NodeEntry, now: number): void {
    const { strainedAt, hysteresis } = this.settings.balance;
    const load = reportedLoad(node);
    if (load >= strainedAt) node.strainedSince ??= now;
    else if (load < strainedAt - hysteresis) node.strainedSince = undefined;
  }
}

/** 0 to 1 and above; what is unknown counts as none. */
export function reportedLoad({ load, record }: NodeEntry): number {
  if (load === undefined || record === undefined) return 0;
  const { sessions, memoryBytes } = record.capacity;
  return Math.max(
    load.busy,
    sessions === 0 ? 0 : load.sessions / sessions,
    memoryBytes === 0 ? 0 : load.memoryBytes / memoryBytes,
  );
}
