import {
  type AsleepSlice,
  type Change,
  type Clock,
  ControlError,
  type ControlPlane,
  type ControlPlaneEvents,
  firstShard,
  type Logger,
  type NodeLoad,
  type NodeRegistration,
  nodeKey,
  OperatingError,
  parseRecordKey,
  type Sealed,
  type Timer,
  type TxnRequest,
} from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import type { RunOwner } from "../durability/run-file.ts";
import type { WrittenSnapshot } from "../durability/storage-options.ts";
import { HostedMigrations } from "../migration/hosted-migrations.ts";
import type { MigrationHost } from "../migration/migration-host.ts";
import type { MirroredWorlds } from "../mirror/mirror-home.ts";
import type { Phase } from "../placement/hosted-shard.ts";
import { Hosting } from "../placement/hosting.ts";
import type { HostingEffect, HostingEvent, TxnAnswer } from "../placement/hosting-types.ts";
import { problemOf } from "../problem-of.ts";
import type { GameserverControl } from "../server/gameserver-control.ts";
import type { KeptWorld } from "../server/hosted-world.ts";
import type { WorldSnapshots } from "../snapshots/world-snapshots.ts";
import { CatalogueWatch } from "./catalogue-watch.ts";
import { Condition } from "./condition.ts";
import { NodeDrain } from "./node-drain.ts";
import { PreparedModules } from "./prepared-modules.ts";
import { StateReporter } from "./state-reporter.ts";
import { type OpenableWorlds, WorldLifecycle } from "./world-lifecycle.ts";
import type { WorldModules } from "./world-modules.ts";

/** The part of a gameserver that runs worlds. */
export interface HostedWorlds extends OpenableWorlds {
  /** Needed where worlds move or are mirrored while they run. */
  readonly moving?: MirroredWorlds;
  seal(): void;
  unseal(): void;
  abandon(): Promise<void>;
  /** Somebody wants a shard, which may sleep. */
  wake?(shard: string): void;
  /** The next part of the shards that sleep here; undefined: none does. */
  reportAsleep?(): AsleepSlice | undefined;
}

export interface WorldHostDependencies {
  readonly control: ControlPlane;
  readonly modules: Pick<WorldModules, "fileOf" | "release">;
  /** The store of snapshots that all nodes reach; absent: there is none. */
  readonly snapshots?: WorldSnapshots | undefined;
  /** Moves worlds between this node and others while they run; absent: they only go by snapshots. */
  readonly migrations?: MigrationHost | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  onGone?(shard: string): void;
}

export interface WorldHostOptions {
  /** A world that is opened here for the first time starts anew; its stored state is set aside. */
  readonly fresh?: boolean;
}

/** Somebody waits for a world's first opening. */
interface Awaited {
  open(): void;
  failed(error: unknown): void;
}

const DEFAULT_DRAIN_MS = 10_000;

/** Drives `Hosting`: watches in, worlds and transactions out. */
export class WorldHost implements GameserverControl {
  private readonly dependencies: WorldHostDependencies;
  private readonly logger: Logger;
  private readonly hosting: Hosting;
  private readonly catalogue: CatalogueWatch;
  private readonly awaited = new Map<string, Awaited>();
  private readonly renewals = new Map<string, ((ownership: Ownership | undefined) => void)[]>();
  /** Signalled whenever `hosting` was told something. */
  private readonly changed: Condition;
  private readonly modules: PreparedModules;
  private readonly lifecycle: WorldLifecycle;
  private readonly reporter: StateReporter;
  private worlds: HostedWorlds | undefined;
  private registration: NodeRegistration | undefined;
  private sealed: Sealed | undefined = "new";
  private timer: Timer | undefined;
  private state: "new" | "running" | "draining" | "stopped" = "new";

  constructor(dependencies: WorldHostDependencies, { fresh = false }: WorldHostOptions = {}) {
    const { control, modules, snapshots, migrations, clock, logger } = dependencies;
    this.dependencies = dependencies;
    this.logger = logger;
    this.hosting = new Hosting({ node: control.node });
    this.changed = new Condition({ clock });
    this.reporter = new StateReporter({ control, clock, logger });
    this.modules = new PreparedModules({ modules });
    this.lifecycle = new WorldLifecycle(
      { fresh },
      {
        ...{ control, hosting: this.hosting, modules: this.modules, snapshots, migrations },
        worlds: () => this.worlds,
        isRunning: () => this.state === "running",
      },
    );
    this.catalogue = new CatalogueWatch(
      { store: control.store, clock, logger },
      {
        view: (prefix, items) => this.tell({ type: "view", prefix, items }),
        changes: (changes) => this.tell({ type: "changes", changes }),
        complete: () => this.sayReady(),
      },
    );
  }

  /**
   * Resolves once this node is registered; worlds come when they are given to it.
   * @throws what the control plane's `start` does.
   */
  async start(worlds: HostedWorlds, load: () => NodeLoad): Promise<void> {
    if (this.state !== "new") throw new Error("a world host is started once");
    this.worlds = worlds;
    const { migrations } = this.dependencies;
    if (worlds.moving !== undefined) migrations?.start(this.homeOfMigrations(), worlds.moving);
    this.state = "running";
    const events: ControlPlaneEvents = {
      registered: (registration) => this.registered(registration),
      sealed: (reason) => {
        this.sealed = reason;
        worlds.seal();
        this.logger.warn(
          "The lease does not hold: worlds pause, and nothing of them leaves this node, but of those that their mirrors answer for.",
          { reason, unleased: migrations?.mirrors.unleased ?? 0 },
        );
      },
      unsealed: () => {
        this.sealed = undefined;
        worlds.unseal();
        this.logger.info("The lease holds.");
      },
      lost: () => this.lost(),
    };
    await this.dependencies.control.start(
      events,
      load,
      () => this.hosting.problems(),
      () => migrations?.progress() ?? [],
      () => worlds.reportAsleep?.(),
    );
  }

  private homeOfMigrations(): HostedMigrations {
    const { control, snapshots, modules } = this.dependencies;
    return new HostedMigrations({
      ...{ control, snapshots, hosting: this.hosting, logger: this.logger },
      tell: (event) => this.tell(event),
      txn: (request) => this.txn(request),
      fileOf: (shard, module) => this.modules.fileOf(shard, module),
      release: (shard) => modules.release(shard),
      broken: (error) => this.broken(error),
    });
  }

  /** Why this node does not serve, or undefined. */
  problem(): string | undefined {
    if (this.registration === undefined) return "not registered with the control plane";
    if (!this.dependencies.control.mayAct())
      return `the lease does not hold: ${this.sealed ?? "expired"}`;
    return this.catalogue.isComplete ? undefined : "the catalogue is being read";
  }

  /**
   * Resolves once each of these worlds is open, or the host is stopped. To be called before `start`.
   * @throws what the first one could not be opened for; it is tried again nevertheless
   */
  async opened(worlds: readonly string[]): Promise<void> {
    const waits = worlds.map(
      (world) =>
        new Promise<void>((open, failed) =>
          this.awaited.set(firstShard(world), { open: () => open(), failed }),
        ),
    );
    await Promise.all(waits);
  }

  /** The world runs `file` from now on, and when it is opened again, until its record names another module. */
  hasSwapped(world: string, file: string): void {
    const shard = firstShard(world);
    const module = this.hosting.moduleOf(shard);
    if (module !== undefined) this.modules.swap(shard, module, file);
  }

  // GameserverControl

  get moves(): MigrationHost | undefined {
    return this.dependencies.migrations;
  }

  mayAct(): boolean {
    return this.dependencies.control.mayAct();
  }

  async renew(shard: string): Promise<Ownership> {
    const { mirrors } = this.dependencies.migrations ?? {};
    // Only its mirror would go on with it.
    await mirrors?.free(shard, "its module is changed");
    const ownership = await new Promise<Ownership | undefined>((resolve) => {
      this.renewals.set(shard, [...(this.renewals.get(shard) ?? []), resolve]);
      this.tell({ type: "renew", shard });
    });
    if (ownership === undefined) mirrors?.stay(shard);
    if (ownership === undefined)
      throw new OperatingError("no-epoch", `there is no new epoch for the shard ${shard}`, {
        hint: "The control plane was not reached, or the shard is about to leave. Try again.",
      });
    return ownership;
  }

  died(shard: string, problem: string): void {
    this.dependencies.snapshots?.forget(shard);
    this.dependencies.migrations?.gone(shard, problem);
    this.dependencies.migrations?.mirrors.died([shard], problem);
    this.tell({ type: "died", shard, problem });
  }

  written(shard: string, snapshot: WrittenSnapshot, final: boolean): void {
    this.dependencies.snapshots?.written(shard, snapshot, final);
  }

  endedAsleep(shard: string, owner: RunOwner, tick: number): void {
    this.dependencies.snapshots?.endedAsleep(shard, owner, tick);
  }

  gone(shard: string): void {
    this.dependencies.modules.release(shard);
    this.dependencies.onGone?.(shard);
  }

  /** Where another gameserver takes links. */
  addressOf(node: string): string | undefined {
    const { record } = this.hosting.records.seen("node", nodeKey(node));
    return record?.role === "gameserver" ? record.address : undefined;
  }

  /** Shards in a phase, for figures. */
  count(phase: Phase): number {
    return this.hosting.count(phase);
  }

  /** Empties this node as `NodeDrain` does, in `deadlineMs`, if it was registered; only the first call does. */
  async drain(deadlineMs = DEFAULT_DRAIN_MS): Promise<void> {
    if (this.state !== "running") return;
    this.state = "draining";
    this.reporter.cancel();
    if (this.registration === undefined) return;
    const { hosting, changed, reporter, logger } = this;
    const { migrations, clock } = this.dependencies;
    const closeAll = () => this.tell({ type: "draining" });
    const parts = { hosting, migrations, changed, reporter, closeAll, clock, logger };
    await new NodeDrain(parts).run(deadlineMs);
  }

  /** No effects from here on. Idempotent; the control plane stays its creator's. */
  stop(): void {
    this.state = "stopped";
    this.timer?.cancel();
    this.reporter.cancel();
    this.catalogue.stop();
    this.dependencies.migrations?.stop();
    this.changed.close();
    for (const { open } of this.awaited.values()) open();
    this.awaited.clear();
  }

  private registered(registration: NodeRegistration): void {
    const isAnother = registration.generation !== this.registration?.generation;
    this.registration = registration;
    this.tell({ type: "registered", registration });
    if (this.state !== "running") return;
    if (isAnother) this.catalogue.start();
    else this.sayReady();
  }

  private async lost(): Promise<void> {
    this.logger.error(
      "This node was taken for lost: its worlds are closed, and it registers anew.",
    );
    this.tell({ type: "lost" });
    this.dependencies.migrations?.lost();
    for (const shard of [...this.renewals.keys()]) this.renewed(shard, undefined);
    // Neither what waits to be recorded, nor what the worlds leave behind at their end: others may own them.
    this.dependencies.snapshots?.lost();
    await this.worlds?.abandon();
  }

  private sayReady(): void {
    if (this.state !== "running" || this.registration === undefined) return;
    if (!this.catalogue.isComplete) return;
    const { registration } = this;
    this.reporter.ready(() => {
      if (this.registration === registration) this.sayReady();
    });
  }

  // Effects

  private tell(event: HostingEvent): void {
    if (this.state === "stopped") return;
    const { clock } = this.dependencies;
    for (const effect of this.hosting.handle(event, clock.now())) this.run(effect);
    this.timer?.cancel();
    const { nextAt } = this.hosting;
    this.timer =
      nextAt === Number.POSITIVE_INFINITY
        ? undefined
        : clock.setTimer(Math.max(0, nextAt - clock.now()), () => this.tell({ type: "time" }));
    this.dependencies.migrations?.look(migratedShards(event));
    if (event.type === "changes") this.wakeChanged(event.changes);
    this.changed.signal();
  }

  /**
   * Whoever writes a world's record wants it: an operator wakes it by writing it as it is. One that is to be closed for
   * what was written need not wake for that.
   */
  private wakeChanged(changes: readonly Change[]): void {
    for (const change of changes) {
      const parsed = change.type === "put" ? parseRecordKey(change.item.key) : undefined;
      if (parsed?.kind !== "world") continue;
      const shard = firstShard(parsed.world);
      if (this.hosting.isOpen(shard)) this.worlds?.wake?.(shard);
    }
  }

  private run(effect: HostingEffect): void {
    switch (effect.type) {
      case "report":
        return this.logger[effect.level](effect.message, effect.facts);
      case "renewed":
        return this.renewed(effect.shard, effect.ownership);
      case "txn": {
        const { shard, attempt } = effect;
        this.txn(effect.request).then(
          (answer) => this.tell({ type: "answered", shard, attempt, answer }),
          (error: unknown) => this.broken(error),
        );
        return;
      }
      case "prepare": {
        const { shard, record } = effect;
        return this.attempt(effect, "prepared", () => this.modules.prepare(shard, record.module));
      }
      case "open":
        return this.attempt(effect, "opened", () => this.lifecycle.open(effect));
      case "close": {
        const { shard, reason } = effect;
        this.logger.info("A world is closed here.", { shard, reason });
        this.close(effect).catch((error: unknown) => this.broken(error));
      }
    }
  }

  private async close(effect: Extract<HostingEffect, { type: "close" }>): Promise<void> {
    const { shard, attempt } = effect;
    let kept: KeptWorld | undefined;
    try {
      kept = await this.lifecycle.close(effect);
      this.tell({ type: "closed", shard, attempt, kept: kept !== undefined });
    } catch (error) {
      this.couldNot(shard, error);
      this.tell({ type: "closed", shard, attempt, problem: problemOf(error) });
    }
    this.dependencies.migrations?.mirrors.closed(shard, kept);
  }

  private attempt(
    { shard, attempt }: { readonly shard: string; readonly attempt: number },
    type: "prepared" | "opened",
    work: () => Promise<unknown>,
  ): void {
    work()
      .then(
        () => {
          if (type === "opened") this.couldOpen(shard);
          this.tell({ type, shard, attempt });
        },
        (error: unknown) => {
          this.couldNot(shard, error);
          this.tell({ type, shard, attempt, problem: problemOf(error) });
        },
      )
      .catch((error: unknown) => this.broken(error));
  }

  private couldOpen(shard: string): void {
    this.awaited.get(shard)?.open();
    this.awaited.delete(shard);
  }

  private couldNot(shard: string, error: unknown): void {
    // It was taken away meanwhile, and comes again.
    if (error instanceof OperatingError && error.code === "ownership-lost") return;
    this.awaited.get(shard)?.failed(error);
    this.awaited.delete(shard);
  }

  private async txn(request: TxnRequest): Promise<TxnAnswer> {
    try {
      const { succeeded, revision } = await this.dependencies.control.store.txn(request);
      return succeeded ? { type: "done", revision } : { type: "conflict" };
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      const unknown = error.code === "timeout" || error.code === "no-quorum";
      return { type: "failed", problem: problemOf(error), unknown };
    }
  }

  private renewed(shard: string, ownership: Ownership | undefined): void {
    const waiting = this.renewals.get(shard) ?? [];
    this.renewals.delete(shard);
    for (const resolve of waiting) resolve(ownership);
  }

  private broken(error: unknown): void {
    this.logger.error("A fault of the gameserver's own.", { error });
  }
}

/** Shards whose migration or mirror may be another way by what the watch has shown. */
function migratedShards(event: HostingEvent): readonly string[] {
  const keys =
    event.type === "view"
      ? event.items.map(({ key }) => key)
      : event.type === "changes"
        ? event.changes.map((change) => (change.type === "put" ? change.item.key : change.key))
        : [];
  return keys.flatMap((key) => {
    const parsed = parseRecordKey(key);
    return parsed?.kind === "migration" || parsed?.kind === "mirror" ? [parsed.shard] : [];
  });
}
