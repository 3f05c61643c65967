import type { Clock, Logger, MigrationProgress, NodeLoad, ShardProblem } from "@atlasnet/core";
import { explainWorld } from "../placement/explain.ts";
import { PlacementPlanner } from "../placement/planner.ts";
import { type RebalancePlan, rebalancePlan } from "../placement/rebalance-plan.ts";
import { DEFAULT_PLACEMENT, type PlacementSettings } from "../placement/settings.ts";
import { ClusterView } from "../placement/view.ts";
import type { ReplicatedStore } from "../store/replicated-store.ts";
import { ClusterWatch } from "./cluster-watch.ts";
import { Leadership, type Reign } from "./leadership.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { MoveAdvice } from "./move-advice.ts";
import { PlacementLoop } from "./placement-loop.ts";
import { RestoreWait } from "./restore-wait.ts";

export interface LeaderRoleOptions {
  /** This apiserver. */
  readonly node: string;
  readonly placement?: PlacementSettings;
}

export interface LeaderRoleDependencies {
  readonly store: Pick<
    ReplicatedStore,
    "leader" | "range" | "txn" | "watch" | "pull" | "readBarrier" | "revision"
  >;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Why a shard does not run on a node that it was given to. */
export interface ShardFailure extends ShardProblem {
  readonly node: string;
}

/** How far a migration is, as one of its nodes said last. */
export interface ReportedMigration extends MigrationProgress {
  readonly node: string;
}

/**
 * What the leading apiserver does besides keeping the log: it renews the leases of nodes, declares those lost
 * whose lease ran out, and places worlds. The others keep a view of the cluster, to be able to begin at once.
 */
export class LeaderRole {
  readonly leases: LeaseKeeper;
  /** Where operators may move worlds to. */
  readonly moves: MoveAdvice;
  private readonly view: ClusterView;
  private readonly planner: PlacementPlanner;
  private readonly leadership: Leadership;
  private readonly watch: ClusterWatch;
  private readonly loop: PlacementLoop;
  private readonly clock: Clock;
  private readonly restoreWait: RestoreWait;

  constructor({ node, placement }: LeaderRoleOptions, dependencies: LeaderRoleDependencies) {
    const settings = placement ?? DEFAULT_PLACEMENT;
    const { clock } = dependencies;
    this.clock = clock;
    this.view = new ClusterView(settings);
    this.leadership = new Leadership(
      node,
      { lead: (reign) => this.lead(reign), follow: () => this.follow() },
      dependencies,
    );
    this.leases = new LeaseKeeper({
      ...dependencies,
      leadership: this.leadership,
      onHeard: (from, { load, problems, migrations, asleep }) => {
        this.view.reports.load(from, load, clock.now());
        this.view.reports.problems(from, problems ?? []);
        this.view.reports.migrations(from, migrations ?? []);
        this.view.reports.asleep(from, asleep);
      },
    });
    this.planner = new PlacementPlanner(settings, this.view, this.leases, node);
    this.moves = new MoveAdvice(settings, {
      view: this.view,
      leases: this.leases,
      leads: () => this.leadership.reign !== undefined,
    });
    this.watch = new ClusterWatch({
      ...dependencies,
      view: this.view,
      onChange: () => this.loop.wake(),
    });
    this.loop = new PlacementLoop({
      ...dependencies,
      planner: this.planner,
      canStep: () => this.watch.isComplete && this.leadership.reign !== undefined,
    });
    this.restoreWait = new RestoreWait(dependencies);
  }

  start(): void {
    this.watch.start();
    this.changed();
  }

  /** Who leads, or the term, may be another. */
  changed(): void {
    this.leadership.changed();
  }

  /** Idempotent. Before the store is stopped. */
  stop(): void {
    this.leadership.stop();
    this.watch.stop();
  }

  /** Why a world is nowhere, as sentences; undefined unless this apiserver places. */
  problems(world: string): readonly string[] | undefined {
    if (this.leadership.reign === undefined || !this.watch.isComplete) return undefined;
    const { problems } = explainWorld(this.view, world);
    return problems.length === 0 ? undefined : problems;
  }

  /** What nodes said with their last renewal, by node; undefined unless this apiserver leads. */
  loads(): ReadonlyMap<string, NodeLoad> | undefined {
    if (this.leadership.reign === undefined) return undefined;
    const loads = new Map<string, NodeLoad>();
    for (const { id, load } of this.view.nodes.values())
      if (load !== undefined) loads.set(id, load);
    return loads;
  }

  /** What nodes said that they could not open, with their last renewal; undefined unless this apiserver leads. */
  failures(): readonly ShardFailure[] | undefined {
    if (this.leadership.reign === undefined) return undefined;
    return [...this.view.nodes.values()].flatMap(({ id, record, problems }) =>
      record?.state === "stopped" ? [] : problems.map((problem) => ({ node: id, ...problem })),
    );
  }

  /** How migrations come along, as nodes said with their last renewal; undefined unless this apiserver leads. */
  migrations(): readonly ReportedMigration[] | undefined {
    if (this.leadership.reign === undefined) return undefined;
    return [...this.view.nodes.values()].flatMap(({ id, migrations }) =>
      migrations.map((each) => ({ node: id, ...each })),
    );
  }

  /** Those of these shards that sleep, as their owners said last; undefined unless this apiserver leads. */
  asleep(shards: readonly string[]): readonly string[] | undefined {
    if (this.leadership.reign === undefined) return undefined;
    return shards.filter((shard) => this.view.isAsleep(shard));
  }

  /** What would be moved for balance at this moment; undefined unless this apiserver places. */
  rebalancePlan(): RebalancePlan | undefined {
    if (this.leadership.reign === undefined || !this.watch.isComplete) return undefined;
    const { view, planner, clock } = this;
    return rebalancePlan({ view, settings: planner.settings, now: clock.now() });
  }

  get figures() {
    const { leases, loop, planner, view, restoreWait } = this;
    return {
      leads: this.leadership.reign !== undefined,
      leases: leases.figures,
      placement: {
        ...loop.figures,
        pending: view.pending.size,
        blocked: planner.blockedShards,
        unmirrored: planner.unmirroredShards,
        moving: view.occupancy.moving,
        migrating: view.migrating.size,
      },
      waitsAfterRestore: restoreWait.isWaiting,
    };
  }

  /** The longest step of placement since the last call, in ms. */
  takeLongestStepMs(): number {
    return this.loop.takeLongestStepMs();
  }

  private lead(reign: Reign): void {
    this.forgetReports();
    this.leases.lead(reign);
    this.restoreWait.lead(reign);
    this.loop.lead(reign.term);
  }

  private follow(): void {
    this.loop.follow();
    this.leases.follow();
    this.restoreWait.follow();
  }

  /** What nodes said in an earlier reign is old. */
  private forgetReports(): void {
    for (const node of this.view.nodes.values()) node.forgetReports();
  }
}
