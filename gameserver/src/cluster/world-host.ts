import { isDeepStrictEqual } from "node:util";
import {
  type AsleepSlice,
  type Change,
  type Clock,
  ControlError,
  type ControlPlane,
  type ControlPlaneEvents,
  describeError,
  firstShard,
  type Logger,
  type ModuleSource,
  NODES,
  type NodeLoad,
  type NodeRegistration,
  nodeKey,
  OperatingError,
  ownerKey,
  parseRecordKey,
  type Sealed,
  SHARDS,
  shardKey,
  type Timer,
  type TxnRequest,
  WORLDS,
  type WorldRecord,
  worldKey,
  worldOfShard,
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
import type { GameserverControl, WorldRequest } from "../server/gameserver.ts";
import type { WorldSnapshots } from "../snapshots/world-snapshots.ts";
import { RecordWatch } from "./record-watch.ts";
import type { WorldModules } from "./world-modules.ts";

/** The part of a gameserver that runs worlds. */
export interface HostedWorlds {
  /** Needed where worlds move or are mirrored while they run. */
  readonly moving?: MirroredWorlds;
  open(request: WorldRequest, baseDir: string): Promise<unknown>;
  /** `handedOver`: another node goes on with its state. */
  close(world: string, handedOver: boolean): Promise<void>;
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

/** At a stop, once no world runs: how long the control plane has to hear that they are free. */
const RELEASE_WAIT_MS = 5_000;
/** To say that worlds are free, and that the node is gone, there is so much time at least, also when closing took it all. */
const LAST_WORDS_MS = 1_000;
/** Of the time for a stop: so much of it worlds have to move away while they run. */
const MOVE_AWAY_SHARE = 0.5;
/** A stop does not wait for the control plane to move worlds away when it has moved none for this long, in ms. */
const MOVE_AWAY_QUIET_MS = 1_000;
/** How often that is looked at, in ms. */
const MOVE_AWAY_LOOK_MS = 100;
const STATE_RETRY_MS = 1_000;
const DEFAULT_DRAIN_MS = 10_000;
const PREFIXES = [NODES, WORLDS, SHARDS] as const;

/** Drives `Hosting`: watches in, worlds and transactions out. */
export class WorldHost implements GameserverControl {
  private readonly dependencies: WorldHostDependencies;
  private readonly logger: Logger;
  private readonly hosting: Hosting;
  private readonly watches: readonly RecordWatch[];
  private readonly viewed = new Set<string>();
  /** Of the shards that are about to be opened: what was made ready for them. */
  private readonly files = new Map<
    string,
    { readonly module: ModuleSource; readonly file: string }
  >();
  private readonly awaited = new Map<string, Awaited>();
  /** Worlds that were opened here once. */
  private readonly seen = new Set<string>();
  /** Modules that took the place of a world's, which its record does not know of. */
  private readonly swapped = new Map<
    string,
    { readonly module: ModuleSource; readonly file: string }
  >();
  private readonly fresh: boolean;
  private readonly renewals = new Map<string, ((ownership: Ownership | undefined) => void)[]>();
  private readonly waiting = new Set<() => void>();
  private worlds: HostedWorlds | undefined;
  private registration: NodeRegistration | undefined;
  private sealed: Sealed | undefined = "new";
  private timer: Timer | undefined;
  private stateTimer: Timer | undefined;
  private state: "new" | "running" | "draining" | "stopped" = "new";

  constructor(dependencies: WorldHostDependencies, { fresh = false }: WorldHostOptions = {}) {
    this.fresh = fresh;
    const { control, clock, logger } = dependencies;
    this.dependencies = dependencies;
    this.logger = logger;
    this.hosting = new Hosting({ node: control.node });
    const watching = { store: control.store, clock, logger };
    this.watches = PREFIXES.map(
      (prefix) =>
        new RecordWatch(prefix, watching, {
          view: (of, items) => {
            this.tell({ type: "view", prefix: of, items });
            this.viewed.add(of);
            if (this.viewed.size === PREFIXES.length) this.sayReady();
          },
          changes: (changes) => this.tell({ type: "changes", changes }),
        }),
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
          "The lease does not hold: nothing leaves this node, and its worlds pause.",
          {
            reason,
          },
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
      fileOf: (shard, module) => this.prepare(shard, module),
      release: (shard) => modules.release(shard),
      broken: (error) => this.broken(error),
    });
  }

  /** Why this node does not serve, or undefined. */
  problem(): string | undefined {
    if (this.registration === undefined) return "not registered with the control plane";
    if (!this.dependencies.control.mayAct())
      return `the lease does not hold: ${this.sealed ?? "expired"}`;
    return this.viewed.size < PREFIXES.length ? "the catalogue is being read" : undefined;
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
    if (module !== undefined) this.swapped.set(shard, { module, file });
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

  /**
   * Has worlds moved away while they run, where they can; then closes every world, saves it and gives it back; resolves when that is done, or no world runs and the control
   * plane does not answer until the deadline: its leases run out then. A save is waited for as long as it takes.
   */
  async drain(deadlineMs = DEFAULT_DRAIN_MS): Promise<void> {
    if (this.state !== "running") return;
    const { clock } = this.dependencies;
    const deadline = clock.now() + deadlineMs;
    const left = () => Math.max(deadline - clock.now(), LAST_WORDS_MS);
    this.state = "draining";
    this.stateTimer?.cancel();
    if (this.registration === undefined) return;
    this.say("draining").catch((error: unknown) => this.notSaid("draining", error));
    this.dependencies.migrations?.mirrors.refuseMore("this node is stopping");
    const awayBy = clock.now() + deadlineMs * MOVE_AWAY_SHARE;
    await this.movedAway(awayBy);
    await this.mirroredElsewhere(awayBy, left());
    this.tell({ type: "draining" });
    // One that asks for a new epoch waits for the control plane: it is saved in the end, whatever comes.
    const busy = ["open", "opening", "closing"] as const;
    await this.until(() => busy.every((phase) => this.hosting.count(phase) === 0));
    const inTime = await this.until(() => this.hosting.settled, Math.min(left(), RELEASE_WAIT_MS));
    if (!inTime)
      return this.logger.warn(
        "The control plane did not hear that this node's worlds are free: they wait for its lease to run out.",
      );
    let isOver = false;
    const said = this.say("stopped").then(
      () => undefined,
      (error: unknown) => {
        if (!isOver) this.notSaid("stopped", error);
      },
    );
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimer(left(), () => {
        isOver = true;
        this.notSaid("stopped", new Error("no answer in time"));
        resolve();
      });
    });
    await Promise.race([said, late]);
    timer?.cancel();
  }

  /**
   * The control plane knows that this node drains, and moves its worlds away: resolves once none is here, or nothing
   * more comes of it. What stays is closed, and opened elsewhere from its snapshot.
   */
  private async movedAway(deadline: number): Promise<void> {
    const { migrations, clock } = this.dependencies;
    if (migrations === undefined || this.hosting.count("open") === 0) return;
    // What came before this node's word was seen with it: so who else takes worlds is known, and not only remembered.
    await this.until(() => this.hosting.seen.isDraining, MOVE_AWAY_QUIET_MS);
    const worlds = this.hosting.count("open");
    if (!this.hosting.seen.hasOthers)
      return this.logger.info(
        "No other gameserver takes worlds: they are saved here, and players wait.",
        { worlds },
      );
    migrations.refuseMore("this node is stopping");
    const phases = ["claimed", "opening", "open", "renewing", "closing"] as const;
    // Whose mirror this is, is waited for afterwards.
    const isEmpty = () =>
      phases.every((phase) => this.hosting.count(phase) === 0) &&
      this.hosting.count("arriving") <= migrations.mirrors.arriving;
    let quietSince = clock.now();
    while (clock.now() < deadline && clock.now() - quietSince < MOVE_AWAY_QUIET_MS) {
      if (await this.until(isEmpty, MOVE_AWAY_LOOK_MS)) return;
      if (this.state === "stopped") return;
      if (migrations.leaving > 0) quietSince = clock.now();
    }
    migrations.giveUp("this node is stopping");
    this.logger.warn("Worlds that did not move away in time are closed: players wait for them.", {
      worlds: this.hosting.count("open"),
    });
  }

  /**
   * What is mirrored here stays until the control plane has asked another node, or `deadline`; what nobody else takes is
   * withdrawn then, so that its owner does not wait for it. A mirror whose owner is suspected meanwhile takes over.
   */
  private async mirroredElsewhere(deadline: number, leftMs: number): Promise<void> {
    const { clock } = this.dependencies;
    const { mirrors } = this.dependencies.migrations ?? {};
    if (mirrors === undefined || mirrors.kept === 0) return;
    await this.until(() => this.hosting.seen.isDraining, MOVE_AWAY_QUIET_MS);
    let quietSince = clock.now();
    let kept = mirrors.kept;
    while (
      this.hosting.seen.hasOthers &&
      clock.now() < deadline &&
      clock.now() - quietSince < MOVE_AWAY_QUIET_MS
    ) {
      if (await this.until(() => mirrors.kept === 0, MOVE_AWAY_LOOK_MS)) return;
      if (this.state === "stopped") return;
      if (mirrors.kept < kept) quietSince = clock.now();
      kept = mirrors.kept;
    }
    mirrors.giveUp("this node is stopping");
    if (await this.until(() => mirrors.kept === 0, Math.min(leftMs, RELEASE_WAIT_MS))) return;
    this.logger.warn(
      "Worlds that are mirrored here could not be withdrawn in time: their owners clear them.",
      { worlds: mirrors.kept },
    );
  }

  /** No effects from here on. Idempotent; the control plane stays its creator's. */
  stop(): void {
    this.state = "stopped";
    this.timer?.cancel();
    this.stateTimer?.cancel();
    for (const watch of this.watches) watch.stop();
    this.dependencies.migrations?.stop();
    for (const wake of [...this.waiting]) wake();
    for (const { open } of this.awaited.values()) open();
    this.awaited.clear();
  }

  private registered(registration: NodeRegistration): void {
    const isAnother = registration.generation !== this.registration?.generation;
    this.registration = registration;
    this.tell({ type: "registered", registration });
    if (this.state !== "running") return;
    if (isAnother) {
      this.viewed.clear();
      for (const watch of this.watches) watch.start();
    } else this.sayReady();
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

  // What the node says of itself

  private sayReady(): void {
    if (this.state !== "running" || this.registration === undefined) return;
    if (this.viewed.size < PREFIXES.length) return;
    const { registration } = this;
    this.stateTimer?.cancel();
    this.say("ready").catch((error: unknown) => {
      this.notSaid("ready", error);
      this.stateTimer = this.dependencies.clock.setTimer(STATE_RETRY_MS, () => {
        if (this.registration === registration) this.sayReady();
      });
    });
  }

  private async say(state: "ready" | "draining" | "stopped"): Promise<void> {
    await this.dependencies.control.setState(state);
    this.logger.info("The control plane knows this node's state.", { state });
  }

  private notSaid(state: string, error: unknown): void {
    this.logger.warn("The control plane does not know this node's state.", {
      state,
      problem: describeError(error),
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
    for (const wake of [...this.waiting]) wake();
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
        this.attempt(effect, "prepared", async () => {
          const { module } = record;
          this.files.set(shard, { module, file: await this.prepare(shard, module) });
        });
        return;
      }
      case "open":
        return this.attempt(effect, "opened", () => this.open(effect));
      case "close": {
        const { shard, reason } = effect;
        this.logger.info("A world is closed here.", { shard, reason });
        return this.attempt(effect, "closed", () => this.close(effect));
      }
    }
  }

  private attempt(
    { shard, attempt }: { readonly shard: string; readonly attempt: number },
    type: "prepared" | "opened" | "closed",
    work: () => Promise<unknown>,
  ): void {
    work()
      .then(
        () => this.tell({ type, shard, attempt }),
        (error: unknown) => {
          this.couldNot(shard, error);
          this.tell({ type, shard, attempt, problem: problemOf(error) });
        },
      )
      .catch((error: unknown) => this.broken(error));
  }

  private couldNot(shard: string, error: unknown): void {
    // It was taken away meanwhile, and comes again.
    if (error instanceof OperatingError && error.code === "ownership-lost") return;
    this.awaited.get(shard)?.failed(error);
    this.awaited.delete(shard);
  }

  /** The file that a shard is to run. */
  private async prepare(shard: string, module: ModuleSource): Promise<string> {
    const file = await this.dependencies.modules.fileOf(shard, module);
    const swapped = this.swapped.get(shard);
    const stays = swapped !== undefined && isDeepStrictEqual(swapped.module, module);
    if (!stays) this.swapped.delete(shard);
    return stays ? swapped.file : file;
  }

  /**
   * Opens a world from this node's files, or from the snapshot store if that has a newer state. `attempt`: of the
   * opening, which may be over, and the shard another's, whenever somebody else has answered.
   */
  private async begin(
    shard: string,
    attempt: number,
    request: WorldRequest & { readonly ownership: Ownership },
  ): Promise<void> {
    const { ownership, durability, fresh } = request;
    const snapshots = durability === "none" ? undefined : this.dependencies.snapshots;
    const open = async (how: WorldRequest) => {
      this.checkUnderWay(shard, attempt);
      await this.worlds?.open(how, "");
    };
    const newest = fresh ? undefined : await snapshots?.newest(shard, ownership);
    this.checkUnderWay(shard, attempt);
    const here: WorldRequest = { ...request, recorded: newest?.recorded };
    snapshots?.expect(shard, newest);
    try {
      await open(here);
    } catch (error) {
      const code = error instanceof OperatingError ? error.code : undefined;
      if (newest === undefined || snapshots === undefined) throw error;
      if (code === "state-elsewhere") {
        const { exact } = newest;
        await snapshots.fetch(shard, newest);
        if (!exact) await snapshots.giveUpOthers(shard, ownership);
        await open({ ...here, fetched: { exact } });
      } else if (code === "state-disputed") {
        await snapshots.giveUpOthers(shard, ownership);
        await open({ ...here, othersGivenUp: true });
      } else throw error;
    }
  }

  /** @throws OperatingError: everything was lost meanwhile, and what the shard is now is not known to the one who asks */
  private checkUnderWay(shard: string, attempt: number): void {
    if (this.hosting.isUnderWay(shard, attempt)) return;
    throw new OperatingError("ownership-lost", `the shard ${shard} was given away meanwhile`);
  }

  /**
   * Closes a world. One that another node is to have goes on until the snapshot store answers: it would go back in
   * time there. Its last state is then recorded, before it is given back.
   */
  private async close({
    shard,
    attempt,
    reason,
    then,
  }: Extract<HostingEffect, { type: "close" }>): Promise<void> {
    const world = worldOfShard(shard) ?? shard;
    const { snapshots, control, migrations } = this.dependencies;
    const { records } = this.hosting;
    const isKept = then === "release" && this.durabilityOf(world) !== "none";
    const { wanted } = records.seen("shard", shardKey(shard)).record ?? {};
    const isCurrent = () => this.hosting.isUnderWay(shard, attempt);
    if (isKept && wanted !== undefined && wanted !== control.node)
      await snapshots?.reachable(shard, () => this.state === "running" && isCurrent());
    // From here on it is saved in its last state, which is to be recorded: its mirror is needed no more.
    await migrations?.mirrors.free(shard, "it is closed");
    // Everything was lost meanwhile: what runs now is another one.
    if (!isCurrent()) return;
    // It may be sealed for a move that comes to nothing: it does not go on then, and nobody is told that it does.
    migrations?.gone(shard, reason);
    // It has moved, or is somebody else's: what it leaves here is of no account.
    const { node } = records.seen("owner", ownerKey(shard)).record ?? {};
    if (node !== control.node) snapshots?.forget(shard);
    await this.worlds?.close(world, node !== undefined && node !== control.node);
    if (isKept) await snapshots?.finish(shard);
    else snapshots?.forget(shard);
  }

  /** Of a world that was removed, nothing is kept any more. */
  private durabilityOf(world: string): WorldRecord["durability"] {
    return this.hosting.records.seen("world", worldKey(world)).record?.durability ?? "none";
  }

  private async open({
    shard,
    attempt,
    record,
    ownership,
  }: Extract<HostingEffect, { type: "open" }>): Promise<void> {
    const world = worldOfShard(shard);
    const ready = this.files.get(shard);
    this.files.delete(shard);
    if (world === undefined || ready === undefined || firstShard(world) !== shard)
      throw new OperatingError("no-module", `the module of ${shard} was not prepared`);
    // The world may have been given another one since.
    const isStill = isDeepStrictEqual(ready.module, record.module);
    const file = isStill ? ready.file : await this.prepare(shard, record.module);
    const { config, durability, graceSeconds, sleepAfterSeconds } = record;
    const fresh = this.fresh && !this.seen.has(shard);
    const settings = { config, durability, graceSeconds, sleepAfterSeconds };
    const request = { world, module: file, ...settings, fresh };
    await this.begin(shard, attempt, { ...request, ownership });
    if (this.fresh) this.seen.add(shard);
    this.awaited.get(shard)?.open();
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

  /** False when the time was over before it held. */
  private until(holds: () => boolean, waitMs?: number): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const look = () => {
        const held = holds();
        if (!held && this.state !== "stopped") return;
        end(held);
      };
      const end = (held: boolean) => {
        timer?.cancel();
        this.waiting.delete(look);
        resolve(held);
      };
      if (waitMs !== undefined) timer = this.dependencies.clock.setTimer(waitMs, () => end(false));
      this.waiting.add(look);
      look();
    });
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
