import { fileURLToPath } from "node:url";
import { Machine, SimProcess, SimViolation, Violations } from "@atlasnet/apiserver/sim";
import { type Disk, encodeRecord, worldKey } from "@atlasnet/core";
import { SeededRandom, SimClock, SimDisk, SimNetwork, type SimPassage } from "@atlasnet/core/sim";
import { worldRecord } from "@atlasnet/core/testing";
import type { HistoryRecord } from "@atlasnet/history";
import { Aim } from "./aim.ts";
import { Bounds } from "./checkers/bounds.ts";
import type { Checker } from "./checkers/checker.ts";
import { CommittedOnly } from "./checkers/committed-only.ts";
import { EncodedOnce } from "./checkers/encoded-once.ts";
import { ExactlyOnce } from "./checkers/exactly-once.ts";
import { GrowingEpochs } from "./checkers/growing-epochs.ts";
import { Moves } from "./checkers/moves.ts";
import { NoGhosts } from "./checkers/no-ghosts.ts";
import { OneActor } from "./checkers/one-actor.ts";
import { OwnTransactions } from "./checkers/own-transactions.ts";
import { SameHash } from "./checkers/same-hash.ts";
import { StoreIsAll } from "./checkers/store-is-all.ts";
import { WatchedTicks } from "./checkers/ticks.ts";
import { drive } from "./driver.ts";
import type { ClusterFaults } from "./faults.ts";
import { spoilState } from "./nodes/disturbance.ts";
import { SimApiservers } from "./nodes/sim-apiservers.ts";
import { SimGameserver } from "./nodes/sim-gameserver.ts";
import { SIM_LIMITS, SimProxy } from "./nodes/sim-proxy.ts";
import { type Deed, Operator } from "./operator.ts";
import { drawPlan, type Plan } from "./plan.ts";
import { PublicNet } from "./players/public-net.ts";
import { SimPlayer } from "./players/sim-player.ts";
import { Trace } from "./trace.ts";
import { fastDefinition } from "./world/fast-checker.ts";
import { slowDefinition } from "./world/slow-checker.ts";

// Both are loaded by now: gameservers would wait for real files otherwise, and nothing here waits for them.
const CHECKER_WORLD = fileURLToPath(new URL("./world/fast-checker.js", import.meta.url));
const SLOW_WORLD = fileURLToPath(new URL("./world/slow-checker.js", import.meta.url));
const TROUBLE_EVERY_MS = 1_000;
const LOOK_EVERY_MS = 500;
const MAX_EVENTS = 50_000_000;
/** A restart after a crash takes so long at most. */
const RESTART_MS = 4_000;
const BACKLOG = "bytes that wait for a client";
/** One write is looked at as a whole: what its parts come to waits when the last of them is added. */
const BACKLOG_SLACK_BYTES = 512;

export interface ClusterResult {
  readonly plan: Plan;
  readonly trace: string;
  readonly simulatedMs: number;
  readonly events: number;
  readonly figures: { readonly [name: string]: number };
}

interface Slot<T> {
  readonly id: string;
  readonly machine: Machine;
  process: SimProcess | undefined;
  running: T | undefined;
}

interface GameserverSlot extends Slot<SimGameserver> {
  readonly disk: SimDisk;
}

/**
 * A whole cluster under one seed: apiservers, gameservers, proxies and clients; first in trouble, then healed. `run`
 * rejects with a SimViolation when a rule was broken. The same seed is the same run, event by event.
 */
export class ClusterSimulation {
  readonly trace: Trace;
  readonly violations: Violations;
  private readonly clock = new SimClock();
  private readonly random: SeededRandom;
  private readonly plan: Plan;
  private readonly faults: ClusterFaults;
  private readonly network: SimNetwork;
  private readonly net: PublicNet;
  private readonly apiservers: SimApiservers;
  private readonly bucket: { readonly disk: SimDisk; readonly process: Disk };
  private readonly gameservers: readonly GameserverSlot[];
  private readonly proxies: readonly Slot<SimProxy>[];
  private readonly players: Slot<SimPlayer>[];
  private readonly processes = new Map<string, SimProcess>();
  private readonly operator: Operator;
  private readonly moves: Moves;
  private readonly aim: Aim;
  private readonly exactlyOnce: ExactlyOnce;
  private readonly oneActor: OneActor;
  private readonly epochs: GrowingEpochs;
  private readonly bounds: Bounds;
  private readonly storeIsAll: StoreIsAll;
  private readonly encodedOnce: EncodedOnce;
  private readonly sameHash: SameHash;
  private readonly noGhosts: NoGhosts;
  private readonly committedOnly: CommittedOnly;
  private readonly ownTransactions: OwnTransactions;
  private readonly watch: WatchedTicks;
  private readonly counts = {
    ...{ crashes: 0, proxyCrashes: 0, clientCrashes: 0, apiserverCrashes: 0, elections: 0 },
    ...{ cuts: 0, pauses: 0, threads: 0, outages: 0, messages: 0 },
    ...{ isolations: 0, deeds: 0, refused: 0, rolls: 0 },
  };
  private lives = 0;
  private isHealed = false;

  constructor(
    seed: number,
    {
      faults = new Set(),
      plan = {},
      traceTail = 0,
    }: {
      readonly faults?: ClusterFaults;
      readonly plan?: Partial<Plan>;
      readonly traceTail?: number;
    } = {},
  ) {
    this.random = new SeededRandom(`cluster/${seed}`);
    this.faults = faults;
    this.plan = { ...drawPlan(this.random), ...plan };
    this.trace = new Trace({ keep: traceTail });
    const { clock, random } = this;
    this.violations = new Violations(() => clock.now());
    const { violations } = this;
    this.exactlyOnce = new ExactlyOnce({ violations });
    this.epochs = new GrowingEpochs({ violations });
    this.bounds = new Bounds({ violations });
    this.sameHash = new SameHash({ violations });
    this.storeIsAll = new StoreIsAll({ violations });
    this.encodedOnce = new EncodedOnce({ violations });
    this.noGhosts = new NoGhosts({ violations });
    const { sameHash } = this;
    this.committedOnly = new CommittedOnly({
      violations,
      followerOf: (shard, epoch) => sameHash.followerOf(shard, epoch),
    });
    this.ownTransactions = new OwnTransactions({
      violations,
      worlds: names("w", this.plan.worlds),
      item: (key) => this.apiservers.item(key),
    });
    this.watch = new WatchedTicks(
      [this.storeIsAll, sameHash, this.noGhosts, this.ownTransactions],
      (shard) => spoilState(shard, faults),
    );
    this.network = new SimNetwork(
      { maxDelayMs: this.plan.delayMs, minDelayMs: 0.1 },
      {
        clock,
        random: random.fork("network"),
        tap: (passage) => this.sent(passage),
        at: (node, arrive) => this.at(node, arrive),
      },
    );
    this.net = new PublicNet(
      { delayMs: this.plan.delayMs },
      { clock, random: random.fork("public") },
    );
    this.moves = new Moves({ worlds: names("w", this.plan.worlds) });
    this.apiservers = new SimApiservers(
      { ids: names("a", this.plan.apiservers), commitMs: 5 },
      {
        clock,
        network: this.network,
        random: random.fork("apiservers"),
        onCommitted: (entries) => {
          this.note(`commit ${entries.at(-1)?.index}`);
          this.moves.look(
            (key) => this.apiservers.item(key),
            (record) => this.aim.ended(record),
          );
          this.ownTransactions.committed();
        },
      },
    );
    this.oneActor = new OneActor({
      violations,
      item: (key) => this.apiservers.item(key),
      bootOf: (node) => this.gameservers.find(({ id }) => id === node)?.running?.boot,
    });
    const bucket = this.disk("bucket", (ms) => this.sleep(ms));
    this.bucket = { disk: bucket, process: bucket.process() };
    this.gameservers = names("gs", this.plan.gameservers).map((id) => {
      const slot: GameserverSlot = {
        ...this.slot<SimGameserver>(id),
        disk: this.disk(id, (ms) => slot.process?.sleep(ms) ?? Promise.resolve()),
      };
      return slot;
    });
    this.proxies = names("p", this.plan.proxies).map((id) => this.slot<SimProxy>(id));
    this.operator = new Operator({
      random: random.fork("operator"),
      worlds: names("w", this.plan.worlds),
      nodes: this.gameservers.map(({ id }) => id),
    });
    this.aim = new Aim(
      { chance: this.plan.aim },
      {
        random: random.fork("aim"),
        gameservers: this.gameservers.map(({ id }) => id),
        proxies: this.proxies.map(({ id }) => id),
        later: (ms, run) => clock.setTimer(ms, run),
        crash: (node) => this.crash(node),
        pause: (node) => {
          const slot = this.slotOf(node);
          if (slot?.running !== undefined) this.pause(slot);
        },
        isolate: (node) => this.isolate(node),
        cut: (one, other) => this.cut(one, other),
        elect: () => this.elect(),
      },
    );
    this.players = names("c", this.plan.clients).map((id) => this.slot<SimPlayer>(id));
  }

  async run(): Promise<ClusterResult> {
    const { violations, clock } = this;
    let over = false;
    this.story().then(
      () => {
        over = true;
      },
      (error: unknown) => this.fault("the simulation", error),
    );
    const isOver = () => over || violations.first !== undefined;
    const events = await drive(clock, { isOver, maxEvents: MAX_EVENTS });
    if (violations.first) throw violations.first;
    return {
      plan: this.plan,
      trace: String(this.trace),
      simulatedMs: clock.now(),
      events,
      figures: this.figures,
    };
  }

  private get checkers(): readonly Checker[] {
    return [
      ...[this.storeIsAll, this.encodedOnce, this.sameHash, this.noGhosts],
      ...[this.exactlyOnce, this.bounds],
      ...[this.oneActor, this.committedOnly, this.epochs, this.ownTransactions],
    ];
  }

  private get figures(): { readonly [name: string]: number } {
    const { figures } = this.exactlyOnce.verdict;
    const looked = Object.fromEntries(
      this.checkers.map(({ rule, looked }) => [`looks ${rule}`, looked]),
    );
    return {
      ...this.counts,
      ...{ moved: this.moves.moved, aborted: this.moves.aborted },
      ...{ said: figures.queued, delivered: figures.delivered, drops: figures.drops },
      ...{ rollbacks: figures.rollbacks, sessions: figures.sessions, welcomes: figures.welcomes },
      "most bytes that waited for a client": this.bounds.largest.get(BACKLOG) ?? 0,
      ...Object.fromEntries([...this.aim.strikes].map(([step, n]) => [`struck: ${step}`, n])),
      ...looked,
    };
  }

  private async story(): Promise<void> {
    const { plan } = this;
    await this.apiservers.start();
    for (const slot of this.gameservers) this.startGameserver(slot);
    for (const slot of this.proxies) this.startProxy(slot);
    await this.createWorlds();
    for (const slot of this.players) this.startPlayer(slot);
    this.looking();
    for (const end = this.clock.now() + plan.troubleMs; this.clock.now() < end; ) {
      await this.sleep(TROUBLE_EVERY_MS);
      this.trouble();
    }
    this.heal();
    await this.settleDown();
  }

  // Trouble

  private trouble(): void {
    const { plan, random, counts } = this;
    const happens = (chance: number) => random.float() < chance;
    for (const slot of this.gameservers) {
      if (slot.running === undefined) continue;
      if (happens(plan.gameserverCrash)) this.crashGameserver(slot);
      else if (happens(plan.threadDeath)) {
        counts.threads += 1;
        slot.running.loseThread();
      } else if (happens(plan.pause)) this.pause(slot);
      if (happens(plan.isolation)) this.isolate(slot.id);
    }
    for (const slot of this.proxies) {
      if (slot.running === undefined) continue;
      if (happens(plan.proxyCrash)) this.crashProxy(slot);
      else if (happens(plan.pause)) this.pause(slot);
    }
    for (const slot of this.players) {
      if (slot.running !== undefined && happens(plan.clientCrash)) this.crashPlayer(slot);
    }
    for (const id of this.apiservers.ids)
      if (happens(plan.apiserverCrash)) {
        counts.apiserverCrashes += 1;
        this.note(`apiserver ${id} crashes`);
        this.apiservers.crash(id, random.int(100, RESTART_MS));
      }
    if (happens(plan.election)) this.elect();
    if (happens(plan.operator)) this.perform(this.operator.next());
    if (happens(plan.storeOutage)) this.failBucket();
    this.cutSomething();
  }

  private elect(): void {
    this.counts.elections += 1;
    this.apiservers.elect(this.random.int(50, 2_000));
  }

  private slotOf(node: string): Slot<unknown> | undefined {
    return [...this.gameservers, ...this.proxies].find(({ id }) => id === node);
  }

  private crash(node: string): void {
    const gameserver = this.gameservers.find(({ id }) => id === node);
    if (gameserver?.running !== undefined) this.crashGameserver(gameserver);
    const proxy = this.proxies.find(({ id }) => id === node);
    if (proxy?.running !== undefined) this.crashProxy(proxy);
  }

  private perform(deed: Deed): void {
    this.counts.deeds += 1;
    this.note(`operator ${JSON.stringify(deed)}`);
    if (deed.type === "roll") return this.roll(deed.node);
    const { apiservers, faults } = this;
    const move = (world: string, to: string) =>
      faults.has("owner-by-decree") ? apiservers.decree(world, to) : apiservers.migrate(world, to);
    const done =
      deed.type === "migrate"
        ? move(deed.world, deed.to)
        : apiservers.cordon(deed.node, deed.cordoned);
    // There may be nothing to move, nobody to take it, or no leader to ask: operators are told, and go on.
    done.catch(() => {
      this.counts.refused += 1;
    });
  }

  private roll(node: string): void {
    const slot = this.gameservers.find(({ id }) => id === node);
    const { running, process } = slot ?? {};
    if (slot === undefined || running === undefined || process === undefined) return;
    this.counts.rolls += 1;
    const end = () => {
      if (slot.process !== process || !process.isAlive) return;
      this.end(slot);
      // Like any process that ends in order: what it wrote stays.
      slot.disk.crash("process");
      this.again(slot, () => this.startGameserver(slot));
    };
    running.stop().then(end, (error: unknown) => {
      this.note(`${node} does not end in order: ${String(error)}`);
      end();
    });
  }

  private pause(slot: Slot<unknown>): void {
    this.counts.pauses += 1;
    const { random } = this;
    this.note(`${slot.id} stands still`);
    slot.process?.pause(random.int(20, 5_000), random.float() < 0.3);
  }

  private isolate(node: string): void {
    this.counts.isolations += 1;
    this.note(`${node} reaches no apiserver`);
    for (const apiserver of this.apiservers.ids) this.network.cut(node, apiserver);
    this.clock.setTimer(this.random.int(1_000, 20_000), () => {
      for (const apiserver of this.apiservers.ids) this.network.heal(node, apiserver);
    });
  }

  private cutSomething(): void {
    const { plan, random, clock } = this;
    const nodes = [...this.apiservers.ids, ...this.gameservers, ...this.proxies].map((one) =>
      typeof one === "string" ? one : one.id,
    );
    if (random.float() < plan.cut * 2) {
      const [from, to] = [this.pick(nodes), this.pick(nodes)];
      if (from !== to) this.cut(from, to);
    }
    if (random.float() < plan.cut * 2) {
      const [client, proxy] = [this.pick(this.players).id, this.pick(this.proxies).id];
      this.counts.cuts += 1;
      this.net.cut(client, proxy);
      clock.setTimer(random.int(100, 15_000), () => this.net.heal(client, proxy));
    }
  }

  private cut(from: string, to: string): void {
    const { random } = this;
    this.counts.cuts += 1;
    this.note(`cut ${from} ${to}`);
    this.network.cut(from, to, { oneWay: random.float() < 0.3 });
    this.clock.setTimer(random.int(100, 15_000), () => this.network.heal(from, to));
  }

  private failBucket(): void {
    this.counts.outages += 1;
    this.bucket.disk.setFaults({ otherError: 1, writeError: 1, syncError: 1 });
    this.clock.setTimer(this.random.int(500, 20_000), () => this.bucket.disk.setFaults({}));
  }

  private heal(): void {
    this.note("healed");
    this.isHealed = true;
    this.aim.end();
    this.network.healAll();
    this.net.healAll();
    this.bucket.disk.setFaults({});
    for (const deed of this.operator.end()) this.perform(deed);
    for (const process of this.processes.values()) process.resume();
    for (const slot of this.players) slot.running?.quiet();
  }

  /** Everybody gets an answer to everything they said. */
  private async settleDown(): Promise<void> {
    const end = this.clock.now() + this.plan.healMs;
    for (;;) {
      await this.sleep(LOOK_EVERY_MS);
      const missing = this.missing();
      if (missing === undefined) break;
      if (this.clock.now() > end) throw new SimViolation("progress after healing", missing);
    }
    const verdict = this.exactlyOnce.verdict;
    if (!verdict.ok)
      throw new SimViolation(this.exactlyOnce.rule, JSON.stringify(verdict.told.slice(0, 3)));
  }

  private missing(): string | undefined {
    for (const { id, running } of [...this.gameservers, ...this.proxies, ...this.players])
      if (running === undefined) return `${id} does not run`;
    for (const { running } of this.players) {
      const why = running?.unsettled;
      if (why !== undefined) return why;
    }
    return undefined;
  }

  private looking(): void {
    this.clock.setTimer(LOOK_EVERY_MS, () => {
      this.bounds.look([
        {
          what: BACKLOG,
          most: SIM_LIMITS.reliableBacklogBytes + BACKLOG_SLACK_BYTES,
          value: () => this.net.largestBacklog,
        },
      ]);
      for (const { id, running } of this.players)
        if (running !== undefined) this.noGhosts.look(id, running.world, running.view);
      this.looking();
    });
  }

  // Processes

  private startGameserver(slot: GameserverSlot): void {
    const process = this.begin(slot);
    const { id } = slot;
    const { plan, faults, network, bucket } = this;
    const running = new SimGameserver(
      { id, plan, apiservers: this.apiservers.ids },
      {
        process,
        network: network.node({ role: "gameserver", node: id }),
        disk: slot.disk.process(),
        bucket: bucket.process,
        random: this.life(id),
        faults,
        watch: this.watch,
        fatal: (error) => this.fault(id, error),
      },
    );
    slot.running = running;
    this.go(id, process, running.start());
  }

  private crashGameserver(slot: GameserverSlot): void {
    this.counts.crashes += 1;
    this.end(slot);
    slot.disk.crash(this.random.float() < 0.5 ? "power" : "process");
    this.again(slot, () => this.startGameserver(slot));
  }

  private startProxy(slot: Slot<SimProxy>): void {
    const process = this.begin(slot);
    const { id } = slot;
    const running = new SimProxy(
      {
        id,
        leaseMs: this.plan.leaseMs,
        apiservers: this.apiservers.ids,
        endpoints: this.proxies.map((proxy) => `${proxy.id}:2555`),
      },
      {
        process,
        network: this.network.node({ role: "proxy", node: id }),
        random: this.life(id),
        faults: this.faults,
        fatal: (error) => this.fault(id, error),
      },
    );
    slot.running = running;
    const started = running.start().then(() => {
      if (process.isAlive) this.net.serve({ process, proxy: running });
    });
    this.go(id, process, started);
  }

  private crashProxy(slot: Slot<SimProxy>): void {
    this.counts.proxyCrashes += 1;
    this.end(slot);
    this.net.died(slot.id);
    this.again(slot, () => this.startProxy(slot));
  }

  private startPlayer(slot: Slot<SimPlayer>): void {
    const process = this.begin(slot);
    const { id } = slot;
    const { plan } = this;
    const life = this.lives;
    const random = this.life(id);
    const urls = this.proxies.map((proxy) => `tcp://${proxy.id}:2555`);
    if (random.float() < 0.5) urls.reverse();
    const running = new SimPlayer(
      {
        id: `${id}`,
        world: `w${1 + (this.players.indexOf(slot) % plan.worlds)}`,
        definition: plan.slowWorlds ? slowDefinition : fastDefinition,
        urls,
        sayEveryMs: plan.sayEveryMs,
        writer: life,
      },
      {
        process,
        net: this.net,
        random,
        sink: (record) => this.recorded({ ...record, client: `${record.client} life ${life}` }),
        now: () => process.now(),
        fault: (error) => this.fault(id, error),
      },
    );
    slot.running = running;
    if (this.isHealed) running.quiet();
    running.start();
  }

  private crashPlayer(slot: Slot<SimPlayer>): void {
    this.counts.clientCrashes += 1;
    this.end(slot);
    this.net.clientDied(slot.id);
    this.again(slot, () => this.startPlayer(slot));
  }

  private begin(slot: Slot<unknown>): SimProcess {
    const process = new SimProcess(slot.machine, { sim: this.clock });
    this.note(`${slot.id} starts`);
    slot.process = process;
    this.processes.set(slot.id, process);
    return process;
  }

  private end(slot: Slot<unknown>): void {
    this.note(`${slot.id} dies`);
    slot.process?.kill();
    slot.running = undefined;
    this.network.kill(slot.id);
  }

  private again(slot: Slot<unknown>, start: () => void): void {
    this.clock.setTimer(this.random.int(50, RESTART_MS), () => {
      if (slot.running === undefined) start();
    });
  }

  private async createWorlds(): Promise<void> {
    const { worlds } = this.plan;
    for (const world of names("w", worlds)) {
      const record = worldRecord({
        module: { source: "node", path: this.plan.slowWorlds ? SLOW_WORLD : CHECKER_WORLD },
        config: {
          beatTicks: 40,
          ...(this.faults.has("state-beside-the-store") && { forgetful: true }),
        },
      });
      await this.apiservers.store.txn({
        compare: [],
        then: [{ type: "put", key: worldKey(world), value: encodeRecord("world", record) }],
      });
    }
  }

  // What is seen

  private sent(passage: SimPassage): void {
    const { from, to, channel, message, bytes } = passage;
    this.counts.messages += 1;
    this.note(`${from} ${to} ${channel} ${message.type} ${bytes}`);
    this.aim.sent(passage);
    this.epochs.sent(passage);
    this.oneActor.sent(passage);
    this.ownTransactions.sent(passage);
    this.encodedOnce.sent(passage);
    this.committedOnly.sent(passage);
  }

  private recorded(record: HistoryRecord): void {
    this.note(`${record.client} ${record.event.type}`);
    this.exactlyOnce.take(record);
    this.epochs.take(record);
  }

  private at(node: string, arrive: () => void): void {
    const process = this.processes.get(node);
    if (process === undefined) arrive();
    else process.run(arrive);
  }

  private note(event: string): void {
    this.trace.note(`${this.clock.now().toFixed(3)} ${event}`);
  }

  // Small things

  private slot<T>(id: string): Slot<T> {
    const { random, plan, clock } = this;
    const rate = 1 + (random.float() * 2 - 1) * plan.drift;
    const machine = new Machine({ rate, start: random.int(0, 10_000) }, { sim: clock });
    return { id, machine, process: undefined, running: undefined };
  }

  private disk(id: string, sleep: (ms: number) => Promise<void>): SimDisk {
    const { plan } = this;
    const random = this.random.fork(`disk ${id}`);
    return new SimDisk(
      {},
      {
        random,
        latency: (operation) => {
          if (operation !== "sync") return Promise.resolve();
          const isSlow = random.float() < plan.stall;
          return sleep(isSlow ? random.int(20, 1_000) : random.float() * plan.syncMs);
        },
      },
    );
  }

  private life(id: string): SeededRandom {
    this.lives += 1;
    return this.random.fork(`${id} ${this.lives}`);
  }

  private go(id: string, process: SimProcess, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (process.isAlive) this.fault(id, error);
    });
  }

  private fault(where: string, error: unknown): void {
    if (error instanceof SimViolation) this.violations.first ??= error;
    else
      this.violations.add(
        "no faults of its own",
        `${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimer(ms, resolve);
    });
  }

  private pick<T>(from: readonly T[]): T {
    const one = from[this.random.int(0, from.length - 1)];
    if (one === undefined) throw new Error("nothing to pick from");
    return one;
  }
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at + 1}`);
}
