import type { SimProcess } from "@atlasnet/apiserver/sim";
import { DirectoryStore } from "@atlasnet/artifacts";
import { type Disk, type LinkNetwork, noopLogger } from "@atlasnet/core";
import type { SeededRandom } from "@atlasnet/core/sim";
import { DEFAULT_OUTBOX_BYTES, Gameserver } from "@atlasnet/gameserver";
import {
  kvServices,
  LoadMeter,
  MigrationHost,
  SNAPSHOTS,
  type TickWatch,
  WorldHost,
  WorldModules,
  WorldSnapshots,
} from "@atlasnet/gameserver/sim";
import { createNoopMeter } from "@opentelemetry/api";
import type { ClusterFaults } from "../faults.ts";
import type { Plan } from "../plan.ts";
import { ControlTie } from "./control-tie.ts";
import { Disturbance, deaf } from "./disturbance.ts";
import { spoilGates, spoilMirrors, spoilWithdrawals } from "./mirror-faults.ts";
import { SimWorker } from "./sim-worker.ts";

const DATA_DIR = "/data";
const SNAPSHOTS_KEPT = 3;
const UPLOAD_BYTES_PER_SECOND = 10_000_000;
const MIGRATION_BYTES_PER_SECOND = 10_000_000;
const FINISH_MS = 5_000;
/** So long a process that is told to end has for giving its worlds back. */
const DRAIN_MS = 10_000;
const OUTBOX_MESSAGES = 1_024;
const MAX_SESSIONS = 1_000;
const THREADS = 2;

export interface SimGameserverOptions {
  readonly id: string;
  readonly plan: Plan;
  readonly apiservers: readonly string[];
  /** That it has; absent: all. */
  readonly modules?: readonly string[] | undefined;
}

export interface SimGameserverDependencies {
  readonly process: SimProcess;
  readonly network: LinkNetwork;
  readonly disk: Disk;
  /** The bucket of snapshots that all gameservers reach. */
  readonly bucket: Disk;
  readonly random: SeededRandom;
  readonly faults: ClusterFaults;
  /** A shard of it has no more memory. */
  fellAsleep(shard: string): void;
  /** Sees every tick of its shards. */
  readonly watch: TickWatch;
  /** The process ends by itself: a fault of its own, or nothing that it may go on with. */
  fatal(error: Error): void;
}

/** One life of a gameserver: the real one, over a simulated clock, disk, network and bucket. */
export class SimGameserver {
  readonly id: string;
  readonly gameserver: Gameserver;
  readonly host: WorldHost;
  private readonly deps: SimGameserverDependencies;
  private readonly tie: ControlTie;
  private readonly workers = new Set<SimWorker>();
  private readonly load = new LoadMeter();

  constructor(
    { id, plan, apiservers, modules: has }: SimGameserverOptions,
    deps: SimGameserverDependencies,
  ) {
    this.id = id;
    this.deps = deps;
    const { process, disk, random, faults } = deps;
    const network = spoilMirrors(deps.network, faults);
    const logger = noopLogger;
    this.tie = new ControlTie(
      {
        ...{ self: { role: "gameserver", node: id }, leaseMs: plan.leaseMs, apiservers },
        modules: has,
      },
      { network, clock: process, random: random.fork("tie"), fatal: (error) => deps.fatal(error) },
    );
    const { session: control, store } = this.tie;
    if (faults.has("acts-without-lease")) control.mayAct = () => true;
    const start = control.start.bind(control);
    if (faults.size > 0) control.start = (events, ...rest) => start(deaf(events, faults), ...rest);
    const snapshots = new WorldSnapshots(
      {
        node: id,
        dataDir: DATA_DIR,
        keep: SNAPSHOTS_KEPT,
        uploadBytesPerSecond: UPLOAD_BYTES_PER_SECOND,
        finishMs: FINISH_MS,
      },
      {
        storeOf: (_world, shard) =>
          new DirectoryStore(
            { dir: `/bucket/${shard}`, kind: SNAPSHOTS },
            { disk: deps.bucket, clock: process, random: random.fork(`bucket ${shard}`) },
          ),
        control: store,
        disk,
        clock: process,
        logger,
      },
    );
    const modules = new WorldModules({ dir: "/" }, { stored: noStoredModules });
    const migrations = new MigrationHost(
      { bytesPerSecond: MIGRATION_BYTES_PER_SECOND },
      { network, clock: process, logger, meter: createNoopMeter() },
    );
    this.host = new WorldHost({
      control,
      modules,
      snapshots,
      migrations,
      clock: process,
      logger,
      onGone: (shard) => this.load.forget(shard),
    });
    const disturbance = faults.size === 0 ? undefined : new Disturbance(faults);
    this.gameserver = new Gameserver(
      {
        node: id,
        threads: THREADS,
        outboxMessages: OUTBOX_MESSAGES,
        outboxBytes: DEFAULT_OUTBOX_BYTES,
        maxSessionsPerWorld: MAX_SESSIONS,
        thread: {
          dataDir: DATA_DIR,
          tickLimitMs: 0,
          snapshotIntervalMs: plan.snapshotIntervalMs,
          keepSnapshots: SNAPSHOTS_KEPT,
          journalSyncMs: plan.journalSyncMs,
          development: false,
        },
      },
      {
        links: network,
        logger,
        clock: process,
        randomSeed: () => random.uint32(),
        services: kvServices(id, store),
        control: this.host,
        startWorker: (settings) => {
          const worker = new SimWorker(settings, {
            clock: process,
            disk,
            watch: deps.watch,
            disturbance,
          });
          this.workers.add(worker);
          return worker;
        },
        onStats: (stats) => this.load.record(stats, process.now()),
        onPlaced: () => {},
        onAsleep: (shard) => {
          deps.fellAsleep(shard);
          if (faults.has("wakes-for-nobody"))
            process.setTimer(0, () => this.gameserver.wake(shard));
        },
        onFault: (world, fault) => deps.fatal(new Error(`world ${world}: ${fault.message}`)),
      },
    );
    spoilGates(this.gameserver, store, faults);
    spoilWithdrawals(store, faults);
  }

  /** The boot that it is registered with now. */
  get boot(): string | undefined {
    return this.tie.session.registration?.boot;
  }

  async start(): Promise<void> {
    await this.gameserver.start();
    await this.host.start(this.gameserver, () =>
      this.load.at(this.deps.process.now(), { bytes: this.gameserver.traffic, memoryBytes: 0 }),
    );
  }

  /** As on SIGTERM: its worlds are saved and given back before it ends. */
  async stop(): Promise<void> {
    await this.host.drain(DRAIN_MS);
    await this.gameserver.drain();
    this.host.stop();
    await this.gameserver.stop();
    await this.tie.session.stop();
    this.tie.stop();
  }

  /** One of its world threads ends, with all its worlds. False: it has none. */
  loseThread(): boolean {
    for (const worker of this.workers) {
      this.workers.delete(worker);
      worker.die();
      return true;
    }
    return false;
  }
}

const noStoredModules = {
  fileOf: () => Promise.reject(new Error("worlds of a simulation name their files")),
  hold: () => () => {},
};
