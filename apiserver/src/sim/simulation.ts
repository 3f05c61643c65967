import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { SimViolation } from "../raft/sim/violation.ts";
import type { SimApiserver } from "./apiserver.ts";
import { ApiserverFleet } from "./apiserver-fleet.ts";
import { Books } from "./books.ts";
import { checkKeyHistory, type KeyOperation } from "./checkers/key-history.ts";
import type { ControlFaults } from "./faults.ts";
import { type GameserverDisk, SimGameserver } from "./gameserver.ts";
import { KvClient } from "./kv-client.ts";
import { type Host, Net } from "./net.ts";
import { Operator } from "./operator.ts";
import { drawPlan, type Plan } from "./plan.ts";
import { Machine, SimProcess } from "./process.ts";
import { whatIsMissing } from "./progress.ts";
import { type ClientParts, StoreClient } from "./store-client.ts";
import { Watcher } from "./watcher.ts";

const TROUBLE_EVERY_MS = 100;
const LOOK_EVERY_MS = 100;
/** What a look at the time takes: what was ahead at one look may be past at the next. */
const LOOK_MS = 1e-5;
/** Nothing may move for so long once all is well. */
const QUIET_MS = 3000;
const MAX_EVENTS = 5_000_000;

export interface RunResult {
  readonly plan: Plan;
  readonly trace: string;
  readonly simulatedMs: number;
  readonly figures: { readonly [name: string]: number };
}

interface GameserverSlot {
  readonly id: string;
  readonly machine: Machine;
  readonly disk: GameserverDisk;
  running: SimGameserver | undefined;
  host: Host | undefined;
}

/**
 * A whole control plane under one seed: apiservers with their logs, stores, leases and placement, gameservers, and
 * clients; first in trouble, then healed. `run` rejects with a SimViolation when a promise was broken. The same seed
 * is the same run, event by event.
 */
export class ControlSimulation {
  private readonly sim = new SimClock({ lookMs: LOOK_MS });
  private readonly random: SeededRandom;
  private readonly plan: Plan;
  private readonly faults: ControlFaults;
  private readonly books: Books;
  private readonly net: Net<SimApiserver>;
  private readonly apiservers: ApiserverFleet;
  private readonly gameservers: readonly GameserverSlot[];
  private readonly clients: readonly KvClient[];
  private readonly watchers: readonly Watcher[];
  private readonly operator: Operator;
  private readonly counts = { crashes: 0, failedDisks: 0, pauses: 0, changes: 0, transfers: 0 };
  private lives = 0;
  /** What the operator wanted before healing is decided, and all is asked for that shall be. */
  private arranged = false;

  constructor(seed: number, faults: ControlFaults = new Set(), changes: Partial<Plan> = {}) {
    this.random = new SeededRandom(`control/${seed}`);
    this.faults = faults;
    const { sim, random } = this;
    this.plan = { ...drawPlan(random, seed), ...changes };
    const { plan } = this;
    this.books = new Books(sim);
    this.net = new Net(plan, { sim, random: random.fork("network") });
    const first = names("a", plan.apiservers);
    this.apiservers = new ApiserverFleet({
      sim,
      random,
      plan,
      faults,
      books: this.books,
      net: this.net,
      counts: this.counts,
      newMachine: () => this.machine(),
      nextLife: () => this.lives++,
      pause: (process, isSleep) => this.pause(process, isSleep),
    });
    for (const id of first) this.apiservers.add(id, first);
    this.gameservers = names("gs", plan.gameservers).map((id) => ({
      id,
      machine: this.machine(),
      disk: { boots: 0, lastBoot: undefined },
      running: undefined,
      host: undefined,
    }));
    this.clients = names("client", plan.clients).map((id) => new KvClient(this.parts(id)));
    this.watchers = names("watcher", plan.watchers).map((id, at) => {
      const parts = this.parts(id);
      const prefix = ["kv/", "shards/", ""][at % 3] ?? "";
      const { historyChanges } = plan;
      return new Watcher({ prefix, historyChanges }, parts, new StoreClient(parts));
    });
    const nodes = this.gameservers.map(({ id }) => id);
    this.operator = new Operator({ worlds: names("world", plan.worlds), nodes }, this.parts("op"));
  }

  /** `settle` lets promises get on between two events. */
  async run(settle: () => Promise<void>): Promise<RunResult> {
    const { sim, books } = this;
    const { violations } = books;
    let over = false;
    this.story().then(
      () => {
        over = true;
      },
      (error: unknown) => {
        if (error instanceof SimViolation) violations.first ??= error;
        else violations.add("no faults of the simulation", String(error));
      },
    );
    for (let events = 0; ; events++) {
      await settle();
      if (violations.first) throw violations.first;
      if (over) break;
      if (events > MAX_EVENTS) violations.add("progress", `more than ${MAX_EVENTS} events`);
      if (!sim.step()) violations.add("progress", "nothing is left to happen");
    }
    return {
      plan: this.plan,
      trace: books.traceHash,
      simulatedMs: sim.now(),
      figures: this.figures,
    };
  }

  private get figures(): { readonly [name: string]: number } {
    const { books, counts, clients, net, gameservers } = this;
    const { history, raft, actors, losses, moves } = books;
    return {
      leaders: raft.leaders,
      entries: history.counts.entries,
      installs: history.counts.installs,
      acknowledged: history.counts.acknowledged,
      unanswered: clients.reduce((sum, client) => sum + client.counts.open, 0),
      acts: actors.acts,
      lost: losses.lost,
      boots: gameservers.reduce((sum, { disk }) => sum + disk.boots, 0),
      moves: moves.moves,
      migrated: moves.migrated,
      watchEvents: this.watchers.reduce((sum, { book }) => sum + book.events, 0),
      messages: net.sent,
      undecided: this.undecided,
      ...counts,
    };
  }

  private undecided = 0;

  private async story(): Promise<void> {
    const { plan, books } = this;
    this.apiservers.startAll();
    for (const slot of this.gameservers) this.startGameserver(slot);
    this.go(this.operator.arrange());
    for (const client of this.clients) this.go(client.run());
    for (const watcher of this.watchers) this.go(watcher.run());
    while (this.sim.now() < plan.troubleMs) {
      await this.sleep(TROUBLE_EVERY_MS);
      this.trouble();
    }
    this.heal();
    const moved = await this.settleDown();
    await this.sleep(QUIET_MS);
    if (books.moves.moves !== moved)
      books.violations.add("progress after healing", "shards move though nothing is asked for");
    // A watch may begin anew right now.
    await this.settleDown();
    this.checkEnd();
  }

  private trouble(): void {
    const { random, plan, net } = this;
    const ids = [...this.apiservers.ids, ...this.gameservers.map(({ id }) => id), "op"];
    if (random.float() < plan.cut) net.recut(ids);
    this.apiservers.trouble();
    for (const slot of this.gameservers) this.troubleGameserver(slot);
    const { leader } = this.apiservers;
    if (leader && random.float() < plan.transfer) this.apiservers.transfer();
    if (leader && random.float() < plan.members) this.apiservers.changeMembers(leader);
    if (random.float() < plan.operator) this.go(this.operator.meddle());
  }

  private troubleGameserver(slot: GameserverSlot): void {
    const { random, plan } = this;
    const { running, host, machine } = slot;
    if (running === undefined || host === undefined) return;
    if (random.float() < plan.gameserverCrash) this.crashGameserver(slot);
    else if (random.float() < plan.gameserverPause)
      this.pause(
        host.process,
        random.float() < 0.4,
        random.float() < 0.5 ? () => running.act() : undefined,
      );
    // Nobody sets the clock of a machine that sleeps.
    else if (random.float() < plan.clockJump && !host.process.isPaused)
      machine.setTime(random.int(-4000, 4000));
  }

  private pause(process: SimProcess, isSleep: boolean, first?: () => void): void {
    this.counts.pauses += 1;
    process.pause(this.random.int(20, 3000), isSleep, first);
  }

  private startGameserver(slot: GameserverSlot): void {
    const { plan } = this;
    const parts = this.parts(slot.id, slot.machine);
    slot.host = parts.host;
    slot.running = new SimGameserver(
      { leaseMs: plan.leaseMs, historyChanges: plan.historyChanges, labels: {} },
      parts,
      slot.disk,
    );
    slot.running.start();
  }

  private crashGameserver(slot: GameserverSlot): void {
    slot.host?.process.kill();
    this.books.losses.ended(slot.running?.bootName ?? "");
    slot.running = undefined;
    this.sim.setTimer(this.random.int(50, 4000), () => {
      if (slot.running === undefined) this.startGameserver(slot);
    });
  }

  private heal(): void {
    this.net.heal();
    for (const client of this.clients) client.over = true;
    this.apiservers.heal();
    for (const slot of this.gameservers) {
      slot.host?.process.resume();
      if (slot.running === undefined) this.startGameserver(slot);
    }
    this.go(
      this.operator.arrange().then(() => {
        this.arranged = true;
      }),
    );
  }

  /** The moves there were when all was well. */
  private async settleDown(): Promise<number> {
    const { books, plan } = this;
    const end = this.sim.now() + plan.healMs;
    let wrote = false;
    const write = async () => {
      while (!wrote) wrote = await this.operator.write("kv/cluster/end");
    };
    this.go(write());
    for (;;) {
      await this.sleep(LOOK_EVERY_MS);
      this.apiservers.restartFailed();
      this.apiservers.endRemoved();
      const missing =
        wrote && this.arranged && this.clients.every(({ isIdle }) => isIdle)
          ? this.missing()
          : "no write yet";
      if (missing === undefined) return books.moves.moves;
      if (this.sim.now() > end) throw new SimViolation("progress after healing", missing);
    }
  }

  private missing(): string | undefined {
    const gameservers = this.gameservers.flatMap(({ running }) => running ?? []);
    return whatIsMissing({
      apiservers: this.apiservers.running,
      gameservers,
      watchers: [...this.watchers, ...gameservers.flatMap(({ watchers }) => watchers)],
      history: this.books.history,
    });
  }

  private checkEnd(): void {
    const { books } = this;
    const byKey = new Map<string, KeyOperation[]>();
    for (const client of this.clients) {
      client.finish();
      for (const [key, operations] of client.operations)
        byKey.set(key, [...(byKey.get(key) ?? []), ...operations]);
    }
    for (const [key, operations] of byKey) {
      const verdict = checkKeyHistory(operations);
      if (verdict === "undecided") this.undecided += 1;
      if (verdict === "violated")
        books.violations.add("linearizable keys", `no order explains what was seen of ${key}`);
    }
  }

  private machine(): Machine {
    const { random, plan, sim, faults } = this;
    const drift = faults.has("too-much-drift") ? 0.25 : plan.drift;
    const rate = 1 + (random.float() * 2 - 1) * drift;
    return new Machine({ rate, start: random.int(0, 10_000) }, { sim });
  }

  private parts(id: string, machine = this.machine()): ClientParts {
    const { sim, net, books, faults, random } = this;
    const host = { id, process: new SimProcess(machine, { sim }) };
    return {
      host,
      net,
      random: random.fork(`${id} ${this.lives++}`),
      books,
      faults,
      apiservers: () => this.apiservers.known,
    };
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.sim.setTimer(ms, resolve);
    });
  }

  private go(work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      this.books.violations.add("no faults of the simulation", String(error)),
    );
  }
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at + 1}`);
}
