import {
  AddressBook,
  GroupMember,
  openGroupLog,
  raftPace,
  type SimProcess,
} from "@atlasnet/apiserver/sim";
import { encodeRecord, noopLogger, worldKey } from "@atlasnet/core";
import { SeededRandom, SimClock, type SimDisk, SimNetwork } from "@atlasnet/core/sim";
import { drive } from "./driver.ts";
import { Machines, type Slot } from "./machines.ts";
import { names } from "./names.ts";
import { CLUSTER } from "./nodes/control-tie.ts";
import { SimGameserver } from "./nodes/sim-gameserver.ts";
import { SimProxy } from "./nodes/sim-proxy.ts";
import { drawPlan, type Plan } from "./plan.ts";
import { worldsOf } from "./world/worlds.ts";

const MAX_EVENTS = 50_000_000;
/** What a look at the time takes. */
const LOOK_MS = 1e-5;
/** As the settings have it. */
const PACE = raftPace({ electionMs: 250, heartbeatMs: 50 });
const LEASE_MS = 5_000;
const WARM_UP_MS = 5_000;
const LOOK_EVERY_MS = 5;
const NONE = new Set<never>();

export interface LeaderDeathsOptions {
  readonly seed: number;
  readonly deaths: number;
  /** Between a world that runs and the next death, at least and at most. */
  readonly quietMs: readonly [number, number];
  /** One way, at most. */
  readonly delayMs: number;
  /** Of a sync, at most. */
  readonly syncMs: number;
}

interface ApiserverSlot extends Slot<GroupMember> {
  readonly disk: SimDisk;
}

/**
 * The leading apiserver is killed again and again, and each time a world is asked for at once: real apiservers with
 * their logs, gameservers and proxies in simulated time.
 */
export class LeaderDeaths {
  /** What happened when, for people. */
  readonly lines: string[] = [];
  private readonly options: LeaderDeathsOptions;
  private readonly clock = new SimClock({ lookMs: LOOK_MS });
  private readonly random: SeededRandom;
  private readonly plan: Plan;
  private readonly network: SimNetwork;
  private readonly machines: Machines;
  private readonly apiservers: readonly ApiserverSlot[];
  private readonly proxies: SimProxy[] = [];
  private fault: unknown;

  constructor(options: LeaderDeathsOptions) {
    const { seed, delayMs, syncMs } = options;
    this.options = options;
    const random = new SeededRandom(`leader-deaths/${seed}`);
    this.random = random;
    const plan = drawPlan(random.fork("plan"), random.fork("later"));
    this.plan = { ...plan, leaseMs: LEASE_MS, worlds: 1, drift: 0, stall: 0, syncMs };
    const { clock } = this;
    this.network = new SimNetwork(
      { minDelayMs: 0.1, maxDelayMs: delayMs },
      {
        ...{ clock, random: random.fork("network") },
        at: (node, arrive) => this.machines.at(node, arrive),
      },
    );
    this.machines = new Machines(this.plan, {
      ...{ clock, random: random.fork("machines"), network: this.network },
      note: (event) => this.note(event),
      fault: (_where, error) => {
        this.fault ??= error;
      },
    });
    const { machines } = this;
    this.apiservers = names("api", 3).map((id) => {
      const slot: ApiserverSlot = {
        ...machines.slot<GroupMember>(id),
        disk: machines.disk(id, (ms) => slot.process?.sleep(ms) ?? Promise.resolve()),
      };
      return slot;
    });
  }

  /** How long it took after each death until the world ran where every proxy knew, in ms. */
  async run(): Promise<readonly number[]> {
    const took: number[] = [];
    let over = false;
    this.story(took).then(
      () => {
        over = true;
      },
      (error: unknown) => {
        this.fault ??= error;
      },
    );
    await drive(this.clock, {
      isOver: () => over || this.fault !== undefined,
      maxEvents: MAX_EVENTS,
    });
    if (this.fault !== undefined) throw this.fault;
    return took;
  }

  private async story(took: number[]): Promise<void> {
    const { clock, options, random } = this;
    for (const slot of this.apiservers) this.startApiserver(slot);
    for (const id of names("gs", 3)) this.startGameserver(id);
    for (const id of names("p", 2)) this.startProxy(id);
    await this.sleep(WARM_UP_MS);
    const [least, most] = options.quietMs;
    for (let death = 0; death < options.deaths; death++) {
      await this.until(() => this.leader !== undefined);
      await this.sleep(least + random.float() * (most - least));
      const slot = this.leader;
      if (slot === undefined) throw new Error("nobody leads");
      const { running } = slot;
      this.machines.end(slot);
      // Its disk is dead: this settles never, or with nothing to say.
      running?.runner.stop().catch(() => {});
      slot.disk.crash("process");
      const began = clock.now();
      const world = `world-${death}`;
      await this.create(world);
      this.note(`${world} is in the catalogue`);
      await this.until(() => this.proxies.every((proxy) => proxy.knows(world)));
      took.push(clock.now() - began);
      this.note(`${world} runs after ${took.at(-1)} ms`);
      await this.sleep(random.int(300, 1_500));
      this.startApiserver(slot);
    }
  }

  /** At any apiserver that runs, as a client of the HTTP API does it. It is answered within the store's time-out. */
  private async create(world: string): Promise<void> {
    const [[, record] = []] = worldsOf(this.plan, NONE);
    const alive = this.apiservers.flatMap(({ running }) => running ?? []);
    const any = alive[this.random.int(0, alive.length - 1)];
    if (record === undefined || any === undefined) throw new Error("no world, or no apiserver");
    const value = encodeRecord("world", record);
    const key = worldKey(world);
    await any.store.txn({ compare: [], then: [{ type: "put", key, value }] });
  }

  private get leader(): ApiserverSlot | undefined {
    return this.apiservers.find(({ id, running }) => running?.runner.leader?.node === id);
  }

  private startApiserver(slot: ApiserverSlot): void {
    const process = this.machines.begin(slot);
    this.machines.go(slot.id, process, this.openApiserver(slot, process));
  }

  private async openApiserver(slot: ApiserverSlot, process: SimProcess): Promise<void> {
    const { id } = slot;
    const random = this.machines.life(id);
    const ids = this.apiservers.map((each) => each.id);
    const { log, stored } = await openGroupLog(
      { dir: `/${id}`, firstVoters: ids, identity: { cluster: CLUSTER, node: id } },
      { disk: slot.disk.process(), clock: process, logger: noopLogger, random },
    );
    const peers = new Map(ids.map((each) => [each, { host: each, port: 2556 }]));
    peers.delete(id);
    const member = new GroupMember(
      { cluster: CLUSTER, node: id, peers, book: new AddressBook(peers), ...PACE },
      {
        ...{ clock: process, random, logger: noopLogger, log, stored, timersOfClock: true },
        network: this.network.node({ role: "apiserver", node: id }),
        events: {
          onChange: () => {
            const { role, leader, term } = member.runner.status;
            if (process.isAlive) this.note(`${id} is ${role}, ${leader} leads in ${term}`);
          },
          onFailed: (error) => {
            if (process.isAlive) this.fault ??= error;
          },
        },
      },
    );
    await member.start();
    if (process.isAlive) slot.running = member;
  }

  private startGameserver(id: string): void {
    const slot = this.machines.slot<SimGameserver>(id);
    const disk = this.machines.disk(id, (ms) => slot.process?.sleep(ms) ?? Promise.resolve());
    const process = this.machines.begin(slot);
    const gameserver = new SimGameserver(
      { id, plan: this.plan, apiservers: this.apiservers.map((each) => each.id) },
      {
        ...{ process, disk: disk.process(), bucket: disk.process(), faults: NONE },
        network: this.network.node({ role: "gameserver", node: id }),
        random: this.machines.life(id),
        fellAsleep: () => {},
        watch: { tick: (_shard, run) => run() },
        fatal: (error) => {
          this.fault ??= error;
        },
      },
    );
    this.machines.go(id, process, gameserver.start());
  }

  private startProxy(id: string): void {
    const slot = this.machines.slot<SimProxy>(id);
    const process = this.machines.begin(slot);
    const proxy = new SimProxy(
      {
        ...{ id, leaseMs: LEASE_MS, endpoints: [] },
        apiservers: this.apiservers.map((each) => each.id),
      },
      {
        ...{ process, random: this.machines.life(id), faults: NONE },
        network: this.network.node({ role: "proxy", node: id }),
        fatal: (error) => {
          this.fault ??= error;
        },
      },
    );
    this.proxies.push(proxy);
    this.machines.go(id, process, proxy.start());
  }

  private async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.sleep(LOOK_EVERY_MS);
  }

  private note(event: string): void {
    this.lines.push(`${this.clock.now().toFixed(0)} ${event}`);
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimer(ms, resolve);
    });
  }
}
