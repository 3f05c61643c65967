import type { Disk } from "@atlasnet/core";
import type { SeededRandom, SimClock, SimDisk, SimNetwork } from "@atlasnet/core/sim";
import type { TickWatch } from "@atlasnet/gameserver/sim";
import type { HistoryRecord } from "@atlasnet/history";
import type { ClusterFaults } from "./faults.ts";
import { Machines, type Slot } from "./machines.ts";
import { names } from "./names.ts";
import { SimGameserver } from "./nodes/sim-gameserver.ts";
import { SimProxy } from "./nodes/sim-proxy.ts";
import type { Plan } from "./plan.ts";
import type { PublicNet } from "./players/public-net.ts";
import { SimPlayer } from "./players/sim-player.ts";
import { definitionsOf, editionFile } from "./world/editions.ts";

/** So many gameservers have every version: a world that came to a new one has somewhere to go. */
const NEWER_HOSTS = 2;

export interface GameserverSlot extends Slot<SimGameserver> {
  readonly disk: SimDisk;
}

export interface ProcessesOptions {
  readonly plan: Plan;
  readonly faults: ClusterFaults;
  readonly apiservers: readonly string[];
}

export interface ProcessesDependencies {
  readonly clock: SimClock;
  readonly random: SeededRandom;
  readonly network: SimNetwork;
  readonly net: PublicNet;
  /** Sees every tick. */
  readonly watch: TickWatch;
  /** Something was said or heard at a client. */
  recorded(record: HistoryRecord): void;
  /** A world thread of a gameserver dies. */
  lostThread(node: string): void;
  /** A shard of a gameserver has no more memory. */
  fellAsleep(shard: string, node: string): void;
  note(event: string): void;
  /** A process has a fault of its own. */
  fault(where: string, error: unknown): void;
}

/** Gameservers, proxies and clients: started, ended in one way or another, and started again. */
export class Processes {
  readonly gameservers: readonly GameserverSlot[];
  readonly proxies: readonly Slot<SimProxy>[];
  players: readonly Slot<SimPlayer>[] = [];
  /** The bucket of snapshots that all gameservers reach. */
  readonly bucket: SimDisk;
  readonly counts = {
    crashes: 0,
    proxyCrashes: 0,
    clientCrashes: 0,
    pauses: 0,
    threads: 0,
    ...{ rolls: 0, proxyRolls: 0, breaks: 0 },
  };
  private readonly options: ProcessesOptions;
  private readonly deps: ProcessesDependencies;
  private readonly bucketDisk: Disk;
  private readonly machines: Machines;
  private isQuiet = false;

  constructor(options: ProcessesOptions, dependencies: ProcessesDependencies) {
    this.options = options;
    this.deps = dependencies;
    const { plan } = options;
    const machines = new Machines(plan, dependencies);
    this.machines = machines;
    this.bucket = machines.disk("bucket", (ms) => machines.sleep(ms));
    this.bucketDisk = this.bucket.process();
    this.gameservers = names("gs", plan.gameservers).map((id) => {
      const slot: GameserverSlot = {
        ...machines.slot<SimGameserver>(id),
        disk: machines.disk(id, (ms) => slot.process?.sleep(ms) ?? Promise.resolve()),
      };
      return slot;
    });
    this.proxies = names("p", plan.proxies).map((id) => machines.slot<SimProxy>(id));
  }

  addPlayers(): void {
    const { machines } = this;
    this.players = names("c", this.options.plan.clients).map((id) => machines.slot<SimPlayer>(id));
  }

  startNodes(): void {
    for (const slot of this.gameservers) this.startGameserver(slot);
    for (const slot of this.proxies) this.startProxy(slot);
  }

  startPlayers(): void {
    for (const slot of this.players) this.startPlayer(slot);
  }

  /** Something arrives at a node: its process may stand still. */
  at(node: string, arrive: () => void): void {
    this.machines.at(node, arrive);
  }

  bootOf(node: string): string | undefined {
    return this.gameservers.find(({ id }) => id === node)?.running?.boot;
  }

  /** A gameserver or a proxy, if it runs. */
  crash(node: string): void {
    const gameserver = this.gameservers.find(({ id }) => id === node);
    if (gameserver?.running !== undefined) this.crashGameserver(gameserver);
    const proxy = this.proxies.find(({ id }) => id === node);
    if (proxy?.running !== undefined) this.crashProxy(proxy);
  }

  pause(node: string): void {
    const slot = [...this.gameservers, ...this.proxies].find(({ id }) => id === node);
    if (slot?.running === undefined) return;
    const { random, note } = this.deps;
    this.counts.pauses += 1;
    note(`${node} stands still`);
    slot.process?.pause(random.int(20, 5_000), random.float() < 0.3);
  }

  loseThread(slot: GameserverSlot): void {
    this.counts.threads += 1;
    this.deps.lostThread(slot.id);
    if (slot.running?.loseThread() === true) this.deps.note(`a world thread of ${slot.id} dies`);
  }

  /** A gameserver is told to end, ends in order, and comes back. */
  roll(node: string): void {
    const slot = this.gameservers.find(({ id }) => id === node);
    const { running, process } = slot ?? {};
    if (slot === undefined || running === undefined || process === undefined) return;
    this.counts.rolls += 1;
    const end = () => {
      if (slot.process !== process || !process.isAlive) return;
      this.machines.end(slot);
      // Like any process that ends in order: what it wrote stays.
      slot.disk.crash("process");
      this.machines.again(slot, () => this.startGameserver(slot));
    };
    running.stop().then(end, (error: unknown) => {
      this.deps.note(`${node} does not end in order: ${String(error)}`);
      end();
    });
  }

  /** A proxy is told to end, sends its clients to the others, and comes back. */
  rollProxy(node: string): void {
    const slot = this.proxies.find(({ id }) => id === node);
    const { running, process } = slot ?? {};
    if (slot === undefined || running === undefined || process === undefined) return;
    this.counts.proxyRolls += 1;
    const end = () => {
      if (slot.process !== process || !process.isAlive) return;
      this.machines.end(slot);
      this.deps.net.died(slot.id);
      this.machines.again(slot, () => this.startProxy(slot));
    };
    running.stop().then(end, (error: unknown) => this.deps.fault(node, error));
  }

  /** All players of a world say goodbye, and come back later. */
  leave(world: string, forMs: number): void {
    this.counts.breaks += 1;
    this.deps.note(`everybody leaves ${world}`);
    for (const { running } of this.players) if (running?.world === world) running.leave(forMs);
  }

  crashPlayer(slot: Slot<SimPlayer>): void {
    this.counts.clientCrashes += 1;
    this.machines.end(slot);
    this.deps.net.clientDied(slot.id);
    this.machines.again(slot, () => this.startPlayer(slot));
  }

  /** All that stand still go on, and clients say nothing new. */
  heal(): void {
    this.isQuiet = true;
    this.machines.resume();
    for (const slot of this.players) slot.running?.quiet();
  }

  /** Why not all is well yet. */
  get missing(): string | undefined {
    for (const { id, running } of [...this.gameservers, ...this.proxies, ...this.players])
      if (running === undefined) return `${id} does not run`;
    for (const { running } of this.players) {
      const why = running?.unsettled;
      if (why !== undefined) return why;
    }
    return undefined;
  }

  private startGameserver(slot: GameserverSlot): void {
    const process = this.machines.begin(slot);
    const { id } = slot;
    const { plan, faults, apiservers } = this.options;
    const { network, watch, fault } = this.deps;
    const running = new SimGameserver(
      { id, plan, apiservers, modules: this.modulesOf(slot) },
      {
        process,
        network: network.node({ role: "gameserver", node: id }),
        disk: slot.disk.process(),
        bucket: this.bucketDisk,
        random: this.machines.life(id),
        faults,
        watch,
        fellAsleep: (shard) => this.deps.fellAsleep(shard, id),
        fatal: (error) => fault(id, error),
      },
    );
    slot.running = running;
    this.machines.go(id, process, running.start());
  }

  /** Undefined: all. */
  private modulesOf(slot: GameserverSlot): readonly string[] | undefined {
    const { plan } = this.options;
    const isOld = plan.oldHost && this.gameservers.indexOf(slot) >= NEWER_HOSTS;
    return isOld ? [editionFile("first", plan)] : undefined;
  }

  private crashGameserver(slot: GameserverSlot): void {
    this.counts.crashes += 1;
    this.machines.end(slot);
    slot.disk.crash(this.deps.random.float() < 0.5 ? "power" : "process");
    this.machines.again(slot, () => this.startGameserver(slot));
  }

  private startProxy(slot: Slot<SimProxy>): void {
    const process = this.machines.begin(slot);
    const { id } = slot;
    const { plan, faults, apiservers } = this.options;
    const { network, net, fault } = this.deps;
    const running = new SimProxy(
      {
        id,
        leaseMs: plan.leaseMs,
        apiservers,
        endpoints: this.proxies.map((proxy) => `${proxy.id}:2555`),
      },
      {
        process,
        network: network.node({ role: "proxy", node: id }),
        random: this.machines.life(id),
        faults,
        fatal: (error) => fault(id, error),
      },
    );
    slot.running = running;
    const started = running.start().then(() => {
      if (process.isAlive) net.serve({ process, proxy: running });
    });
    this.machines.go(id, process, started);
  }

  private crashProxy(slot: Slot<SimProxy>): void {
    this.counts.proxyCrashes += 1;
    this.machines.end(slot);
    this.deps.net.died(slot.id);
    this.machines.again(slot, () => this.startProxy(slot));
  }

  private startPlayer(slot: Slot<SimPlayer>): void {
    const process = this.machines.begin(slot);
    const { id } = slot;
    const { plan } = this.options;
    const { net, recorded, fault } = this.deps;
    const life = this.machines.lives;
    const random = this.machines.life(id);
    const urls = this.proxies.map((proxy) => `tcp://${proxy.id}:2555`);
    if (random.float() < 0.5) urls.reverse();
    const running = new SimPlayer(
      {
        id: `${id}`,
        world: `w${1 + (this.players.indexOf(slot) % plan.worlds)}`,
        definitions: definitionsOf(plan),
        urls,
        sayEveryMs: plan.sayEveryMs,
        writer: life,
      },
      {
        process,
        net,
        random,
        sink: (record) => recorded({ ...record, client: `${record.client} life ${life}` }),
        now: () => process.now(),
        fault: (error) => fault(id, error),
      },
    );
    slot.running = running;
    if (this.isQuiet) running.quiet();
    running.start();
  }
}
