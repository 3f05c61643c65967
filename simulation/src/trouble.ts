import type { MovedRecord } from "@atlasnet/core";
import type { SeededRandom, SimClock, SimNetwork, SimPassage } from "@atlasnet/core/sim";
import { Aim } from "./aim.ts";
import type { ClusterFaults } from "./faults.ts";
import { RESTART_MS } from "./machines.ts";
import type { SimApiservers } from "./nodes/sim-apiservers.ts";
import { type Deed, Operator } from "./operator.ts";
import type { Plan } from "./plan.ts";
import type { PublicNet } from "./players/public-net.ts";
import type { Processes } from "./processes.ts";
import { editionFile } from "./world/editions.ts";

export interface TroubleOptions {
  readonly plan: Plan;
  readonly faults: ClusterFaults;
  readonly worlds: readonly string[];
}

export interface TroubleDependencies {
  readonly clock: SimClock;
  readonly random: SeededRandom;
  /** For what came after the first seeds were looked at: `random` draws for the rest what it did. */
  readonly later: SeededRandom;
  readonly network: SimNetwork;
  readonly net: PublicNet;
  readonly apiservers: SimApiservers;
  readonly processes: Processes;
  note(event: string): void;
}

/** All that goes wrong in a run, by chance and aimed, and what its operator does; until `heal`. */
export class Trouble {
  readonly counts = {
    ...{ apiserverCrashes: 0, elections: 0, cuts: 0, outages: 0 },
    ...{ isolations: 0, deeds: 0, refused: 0, quorumsLost: 0, parted: 0 },
  };
  private readonly options: TroubleOptions;
  private readonly deps: TroubleDependencies;
  private readonly operator: Operator;
  private readonly aim: Aim;

  constructor(options: TroubleOptions, dependencies: TroubleDependencies) {
    this.options = options;
    this.deps = dependencies;
    const { random, later, clock, processes, apiservers } = dependencies;
    const gameservers = processes.gameservers.map(({ id }) => id);
    this.operator = new Operator({
      random: random.fork("operator"),
      later: later.fork("operator"),
      worlds: options.worlds,
      nodes: gameservers,
    });
    this.aim = new Aim(
      { chance: options.plan.aim },
      {
        random: random.fork("aim"),
        gameservers,
        proxies: processes.proxies.map(({ id }) => id),
        worlds: options.worlds,
        item: (key) => apiservers.item(key),
        later: (ms, run) => clock.setTimer(ms, run),
        crash: (node) => processes.crash(node),
        pause: (node) => processes.pause(node),
        isolate: (node) => this.isolate(node),
        cut: (one, other) => this.cut(one, other),
        elect: () => this.elect(),
      },
    );
  }

  /** Of a second. */
  happen(): void {
    const { plan } = this.options;
    const { random, processes, apiservers, note } = this.deps;
    const happens = (chance: number) => random.float() < chance;
    for (const slot of processes.gameservers) {
      if (slot.running === undefined) continue;
      if (happens(plan.gameserverCrash)) processes.crash(slot.id);
      else if (happens(plan.threadDeath)) processes.loseThread(slot);
      else if (happens(plan.pause)) processes.pause(slot.id);
      if (happens(plan.isolation)) this.isolate(slot.id);
    }
    for (const { id, running } of processes.proxies) {
      if (running === undefined) continue;
      if (happens(plan.proxyCrash)) processes.crash(id);
      else if (happens(plan.pause)) processes.pause(id);
    }
    for (const slot of processes.players)
      if (slot.running !== undefined && happens(plan.clientCrash)) processes.crashPlayer(slot);
    for (const id of apiservers.ids)
      if (happens(plan.apiserverCrash)) {
        this.counts.apiserverCrashes += 1;
        note(`apiserver ${id} crashes`);
        apiservers.crash(id, random.int(100, RESTART_MS));
      }
    if (happens(plan.election)) this.elect();
    if (happens(plan.operator)) this.perform(this.operator.next());
    if (happens(plan.storeOutage)) this.failBucket();
    this.cutSomething();
    this.takeBreaks();
    if (this.options.faults.has("gives-up-what-is-unleased"))
      this.order((world) => apiservers.giveUp(world, this.pick(processes.gameservers).id));
    if (this.deps.later.float() < plan.upgrade) this.perform(this.operator.upgrade());
    if (this.deps.later.float() < plan.noQuorum) this.loseQuorum();
    if (this.deps.later.float() < plan.parting) this.part();
  }

  /** A message leaves a node: it may be a step that is struck at. */
  sent(passage: SimPassage): void {
    this.aim.sent(passage);
  }

  /** A migration was ended by a transaction. */
  ended(record: MovedRecord): void {
    this.aim.ended(record);
  }

  /** Something was committed. */
  committed(): void {
    this.aim.committed();
  }

  heal(): void {
    const { network, net, processes } = this.deps;
    this.aim.end();
    network.healAll();
    net.healAll();
    processes.bucket.setFaults({});
    for (const deed of this.operator.end()) this.perform(deed);
  }

  /** Worlds whose owner and mirror are lost wait for an operator: their nodes are back, and it is over with both. */
  restore(): void {
    const { apiservers } = this.deps;
    this.order((world) => apiservers.restore(world));
  }

  /** They may be refused. */
  private order(what: (world: string) => Promise<void>): void {
    for (const world of this.options.worlds)
      what(world).catch(() => {
        this.counts.refused += 1;
      });
  }

  get figures(): { readonly [name: string]: number } {
    const struck = [...this.aim.strikes].map(([step, n]) => [`struck: ${step}`, n]);
    return { ...this.counts, ...Object.fromEntries(struck) };
  }

  private elect(): void {
    this.counts.elections += 1;
    this.deps.apiservers.elect(this.deps.random.int(50, 2_000));
  }

  private loseQuorum(): void {
    const { leaseMs } = this.options.plan;
    this.counts.quorumsLost += 1;
    this.deps.note("nobody leads");
    this.deps.apiservers.elect(this.deps.later.int(leaseMs, 3 * leaseMs));
  }

  private perform(deed: Deed): void {
    this.counts.deeds += 1;
    const { apiservers, processes, note } = this.deps;
    note(`operator ${JSON.stringify(deed)}`);
    if (deed.type === "roll") return processes.roll(deed.node);
    const move = (world: string, to: string) =>
      this.options.faults.has("owner-by-decree")
        ? apiservers.decree(world, to)
        : apiservers.migrate(world, to);
    const doing = () => {
      if (deed.type === "migrate") return move(deed.world, deed.to);
      if (deed.type === "cordon") return apiservers.cordon(deed.node, deed.cordoned);
      const path = editionFile(deed.edition, this.options.plan);
      // All of a world's versions can be brought to this one, and only to this one.
      return apiservers.upgrade(deed.world, deed.to, path, { tried: deed.edition !== "renewed" });
    };
    // There may be nothing to move, nobody to take it, or no leader to ask: operators are told, and go on.
    doing().catch(() => {
      this.counts.refused += 1;
    });
  }

  private isolate(node: string, forMs = this.deps.random.int(1_000, 20_000)): void {
    this.counts.isolations += 1;
    const { network, apiservers, clock, note } = this.deps;
    note(`${node} reaches no apiserver`);
    for (const apiserver of apiservers.ids) network.cut(node, apiserver);
    clock.setTimer(forMs, () => {
      for (const apiserver of apiservers.ids) network.heal(node, apiserver);
    });
  }

  /** All proxies and most gameservers reach no apiserver, and each other still. */
  private part(): void {
    const { later, processes } = this.deps;
    const forMs = later.int(1_000, 20_000);
    this.counts.parted += 1;
    for (const { id } of processes.proxies) this.isolate(id, forMs);
    for (const { id } of processes.gameservers) if (later.float() < 0.75) this.isolate(id, forMs);
  }

  /** Proxies are rolled, and worlds are left alone for a while. */
  private takeBreaks(): void {
    const { plan, worlds } = this.options;
    const { later, processes } = this.deps;
    for (const { id } of processes.proxies)
      if (later.float() < plan.proxyRoll) processes.rollProxy(id);
    for (const world of worlds)
      if (later.float() < plan.nap) processes.leave(world, later.int(2_000, 15_000));
  }

  private cutSomething(): void {
    const { plan } = this.options;
    const { random, clock, net, apiservers, processes } = this.deps;
    const { gameservers, proxies, players } = processes;
    const nodes = [...apiservers.ids, ...[...gameservers, ...proxies].map(({ id }) => id)];
    if (random.float() < plan.cut * 2) {
      const [from, to] = [this.pick(nodes), this.pick(nodes)];
      if (from !== to) this.cut(from, to);
    }
    if (random.float() < plan.cut * 2) {
      const [client, proxy] = [this.pick(players).id, this.pick(proxies).id];
      this.counts.cuts += 1;
      net.cut(client, proxy);
      clock.setTimer(random.int(100, 15_000), () => net.heal(client, proxy));
    }
  }

  private cut(from: string, to: string): void {
    const { random, network, clock, note } = this.deps;
    this.counts.cuts += 1;
    note(`cut ${from} ${to}`);
    network.cut(from, to, { oneWay: random.float() < 0.3 });
    clock.setTimer(random.int(100, 15_000), () => network.heal(from, to));
  }

  private failBucket(): void {
    this.counts.outages += 1;
    const { clock, random, processes } = this.deps;
    const { bucket } = processes;
    bucket.setFaults({ otherError: 1, writeError: 1, syncError: 1 });
    clock.setTimer(random.int(500, 20_000), () => bucket.setFaults({}));
  }

  private pick<T>(from: readonly T[]): T {
    const one = from[this.deps.random.int(0, from.length - 1)];
    if (one === undefined) throw new Error("nothing to pick from");
    return one;
  }
}
