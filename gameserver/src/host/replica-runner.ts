import assert from "node:assert/strict";
import { describeError, OperatingError } from "@atlasnet/core";
import { canonicalJson, compileDefinition } from "@atlasnet/world";
import type { Ownership } from "../durability/plan-run.ts";
import type { ShardStorage } from "../durability/shard-storage.ts";
import type { Shard } from "../shard/shard.ts";
import type { StateFollower } from "../shard/state-follower.ts";
import { upgradeStore } from "./carry-over.ts";
import { encodeState } from "./encode-state.ts";
import { faultInOneLine, inOneLine } from "./in-one-line.ts";
import { type LoadedModule, loadModule, newShard, storageOf } from "./open-shard.ts";
import type {
  ReplicaSourceFacts,
  ReplicaState,
  ThreadSettings,
  ToThread,
  WorldSettings,
} from "./protocol.ts";
import { type KeptShard, type RunnerDependencies, ShardRunner } from "./shard-runner.ts";

/** Ticks that a module which is another than the source's makes with the state, on a copy, before it may have it. */
export const TRIAL_TICKS = 3;

type Delta = Extract<ToThread, { type: "replica-delta" }>;

export interface ReplicaOptions {
  settings: WorldSettings;
  state: ReplicaState;
  source: ReplicaSourceFacts;
}

/**
 * A shard that another node owns, followed here: its state comes in pieces, then what each tick changed. It makes no
 * tick, and nothing of it gets out, until it is promoted.
 *
 * Where the module's definition is another one than the source's, the state is followed under the source's, so that
 * deltas and hashes mean the same on both sides, and carried over by `keep`, as a trial, and by `promote`.
 */
export class ReplicaRunner {
  private readonly options: ReplicaOptions;
  private readonly thread: ThreadSettings;
  private readonly dependencies: RunnerDependencies;
  private readonly loaded: LoadedModule;
  /** The module has the source's definition. */
  private readonly same: boolean;
  private readonly shard: Shard;
  private loading: StateFollower | undefined;
  private bytes = 0;
  /** The shard's files, which were looked through before they are needed. */
  private storage: ShardStorage | undefined;
  /** A copy that is being written; never rejects. */
  private keeping: Promise<void> = Promise.resolve();

  private constructor(
    options: ReplicaOptions,
    thread: ThreadSettings,
    dependencies: RunnerDependencies,
    loaded: LoadedModule,
    before?: Shard,
  ) {
    this.options = options;
    this.thread = thread;
    this.dependencies = dependencies;
    this.loaded = loaded;
    const { definition } = options.state;
    this.same = canonicalJson(definition) === canonicalJson(loaded.definition.data);
    const followed = this.same
      ? loaded
      : { module: loaded.module, definition: compileDefinition(definition) };
    this.shard = newShard(options.settings, followed, dependencies, before?.store);
    if (before === undefined) this.loading = this.shard.beginLoad();
    else this.shard.followOn(before);
  }

  /** Loads the module; the state comes then. @throws an error that says what is wrong with the module */
  static async open(
    options: ReplicaOptions,
    thread: ThreadSettings,
    dependencies: RunnerDependencies,
  ): Promise<ReplicaRunner> {
    const loaded = await loadModule(options.settings);
    return new ReplicaRunner(options, thread, dependencies, loaded);
  }

  /**
   * Goes on from the state of a shard that ran here and stands still: no copy comes.
   * @throws OperatingError when it was not sealed
   */
  static kept(
    { settings, loaded, shard }: KeptShard,
    source: ReplicaSourceFacts,
    thread: ThreadSettings,
    dependencies: RunnerDependencies,
  ): ReplicaRunner {
    const { data: definition } = loaded.definition;
    const { tick } = shard.store;
    const { timeline } = shard.options;
    const state = { tick, timeline, definition };
    return new ReplicaRunner({ settings, state, source }, thread, dependencies, loaded, shard);
  }

  get state(): ReplicaState {
    return this.options.state;
  }

  /** The next piece of the copy. @throws OperatingError "bad-data" */
  piece(offset: number, data: Uint8Array, last: boolean): void {
    const { loading } = this;
    if (loading === undefined || offset !== this.bytes)
      throw badData(`a piece at byte ${offset} came, ${this.bytes} are here`);
    decoding("the copy", () => {
      loading.take(data);
      if (last) loading.finish();
    });
    this.bytes += data.length;
    if (last) {
      this.loading = undefined;
      const { store } = this.shard;
      const { tick } = this.options.state;
      if (store.tick !== tick) throw badData(`a state of tick ${store.tick} came for tick ${tick}`);
    }
    this.tellPosition(true);
  }

  /** What a tick changed. @throws OperatingError "bad-data" */
  delta({ previous, tick, data, hashed }: Delta): void {
    if (this.loading !== undefined) throw badData(`the delta of tick ${tick} came before the copy`);
    const { tick: at } = this.shard.store;
    if (previous !== at || tick <= at)
      throw badData(`the delta from tick ${previous} to ${tick} came at tick ${at}`);
    decoding(`the delta of tick ${tick}`, () => this.shard.follow(tick, data));
    this.tellPosition(hashed);
  }

  private tellPosition(hashed: boolean): void {
    const isWhole = this.loading === undefined;
    this.dependencies.post({
      type: "replica-at",
      shard: this.options.settings.shard,
      bytes: this.bytes,
      tick: isWhole ? this.shard.store.tick : 0,
      ...(isWhole && hashed && this.shard.digest()),
    });
  }

  /**
   * Tries the module, if it is another one, and writes a copy of the state to the disk. The thread stands still for
   * the time of the trial, which is about that of opening such a state.
   * @throws OperatingError "wrong-module" when the trial fails, StorageError
   */
  async keep(): Promise<void> {
    const { settings } = this.options;
    if (this.loading !== undefined) throw badData("a copy that is not whole cannot be kept");
    if (!this.same || this.options.source.otherModule) this.tryModule();
    const kept = this.writeCopy();
    this.keeping = kept.then(ignore, ignore);
    const tick = await kept;
    this.dependencies.post({ type: "replica-kept", shard: settings.shard, tick });
  }

  private async writeCopy(): Promise<number> {
    const { settings, state, source } = this.options;
    const files = storageOf(settings, this.thread, this.dependencies);
    const { definition } = state;
    if (files === undefined) return this.shard.store.tick;
    if (this.storage === undefined) {
      await files.storage.recover();
      this.storage = files.storage;
    }
    const { tick } = this.shard.store;
    const facts = {
      module: { name: definition.name, version: String(definition.version) },
      schema: definition,
      epoch: source.epoch,
      timeline: state.timeline,
      tick,
      createdAtMs: this.dependencies.clock.wallTime(),
    };
    const copied = await encodeState(this.shard, this.dependencies.clock, () => false);
    await files.replicas.write(source.world, facts, copied);
    return tick;
  }

  /** Some ticks of the module with the state, on a copy that is thrown away with all that it lets out. */
  private tryModule(): void {
    const { settings, source, state } = this.options;
    let problem: string | undefined;
    try {
      const trial = newShard(settings, this.loaded, this.dependencies);
      const run = { epoch: source.epoch, timeline: state.timeline };
      if (this.same) {
        const loading = trial.beginLoad();
        loading.take(this.shard.snapshot());
        loading.finish();
        trial.succession.takeOver(run);
      } else this.upgradeInto(trial, run);
      for (let n = 0; n < TRIAL_TICKS && problem === undefined; n++) {
        const [fault] = trial.tick().faults;
        if (fault !== undefined) problem = faultInOneLine(fault);
      }
    } catch (error) {
      problem = inOneLine(error);
    }
    if (problem !== undefined)
      throw new OperatingError(
        "wrong-module",
        `world ${settings.world} cannot go on with the module: ${problem}`,
        { hint: "Repair the module; the world goes on where it is." },
      );
  }

  private upgradeInto(shard: Shard, run: { epoch: number; timeline: number }): void {
    const { world } = this.options.settings;
    const { guard } = this.dependencies;
    const old = this.shard.store;
    shard.succession.succeed(
      (store) => upgradeStore(old, store, this.loaded.module, world, guard),
      run,
    );
  }

  /**
   * The shard is this node's: it goes on with the tick after the state's, which is due in `dueMs`. Its files are opened
   * meanwhile; what happens before they are is in the first snapshot. Not to be used any more after it. `followed`: from
   * the first tick on, by who has this state already.
   * @throws when the state cannot be carried over; then it is as it was
   */
  promote(ownership: Ownership, dueMs: number, followed = false): ShardRunner {
    if (this.loading !== undefined) throw badData("a copy that is not whole cannot be promoted");
    const { timeline } = this.options.state;
    const settings: WorldSettings = {
      ...this.options.settings,
      ownership,
      fresh: false,
      recorded: undefined,
      fetched: undefined,
      othersGivenUp: undefined,
    };
    const run = { epoch: ownership.epoch, timeline };
    let { shard } = this;
    if (followed) shard.holdDigest(true);
    if (this.same) shard.succession.takeOver(run);
    else {
      shard = newShard(settings, this.loaded, this.dependencies);
      this.upgradeInto(shard, run);
    }
    const isKept = storageOf(settings, this.thread, this.dependencies) !== undefined;
    return ShardRunner.promoted(settings, this.thread, this.dependencies, {
      loaded: this.loaded,
      shard,
      dueMs,
      followed,
      opener: isKept ? () => this.openFiles(settings, ownership) : undefined,
    });
  }

  private async openFiles(settings: WorldSettings, ownership: Ownership): Promise<ShardStorage> {
    await this.keeping;
    let { storage } = this;
    // One that fails is of no more use.
    this.storage = undefined;
    if (storage === undefined) {
      storage = storageOf(settings, this.thread, this.dependencies)?.storage;
      await storage?.recover();
    }
    assert.ok(storage !== undefined, "only asked for a world that is kept");
    const { timeline } = this.options.state;
    await storage.takeOver({ timeline, exact: true });
    await storage.nextEpoch(ownership);
    return storage;
  }

  /** Nothing is left of it. @throws DiskError when a copy on the disk cannot be removed */
  async drop(): Promise<void> {
    await this.keeping;
    await storageOf(this.options.settings, this.thread, this.dependencies)?.replicas.remove();
  }
}

function decoding(what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw badData(`${what} cannot be taken in: ${describeError(error)}`, error);
  }
}

function badData(problem: string, cause?: unknown): OperatingError {
  return new OperatingError("bad-data", problem, { cause });
}

/** Whoever asked for a copy hears of its failure; who waits only needs to know that it is over. */
function ignore(): void {}
