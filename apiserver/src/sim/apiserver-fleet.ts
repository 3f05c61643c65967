import type { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { SimDisk } from "@atlasnet/core/sim";
import { SimApiserver } from "./apiserver.ts";
import type { Books } from "./books.ts";
import type { ControlFaults } from "./faults.ts";
import type { Net } from "./net.ts";
import type { Plan } from "./plan.ts";
import { type Machine, SimProcess } from "./process.ts";

/** Apiservers that may join, besides the first. */
const MAX_JOINS = 2;

export interface FleetCounts {
  crashes: number;
  failedDisks: number;
  changes: number;
  transfers: number;
}

export interface FleetParts {
  readonly sim: SimClock;
  readonly random: SeededRandom;
  readonly plan: Plan;
  readonly faults: ControlFaults;
  readonly books: Books;
  readonly net: Net<SimApiserver>;
  readonly counts: FleetCounts;
  readonly newMachine: () => Machine;
  /** Numbers lives of processes, so that each has chances of its own. */
  readonly nextLife: () => number;
  readonly pause: (process: SimProcess, isSleep: boolean) => void;
}

interface ApiserverSlot {
  readonly id: string;
  readonly machine: Machine;
  readonly disk: SimDisk;
  readonly firstVoters: readonly string[] | undefined;
  process: SimProcess | undefined;
  running: SimApiserver | undefined;
}

/** The machines of the apiservers, what runs on them, and what goes wrong there. */
export class ApiserverFleet {
  private readonly slots = new Map<string, ApiserverSlot>();
  private readonly removed = new Set<string>();
  private readonly parts: FleetParts;
  private joins = 0;

  constructor(parts: FleetParts) {
    this.parts = parts;
  }

  get ids(): string[] {
    return [...this.slots.keys()];
  }

  /** Those that clients know of. */
  get known(): string[] {
    return this.ids.filter((id) => !this.removed.has(id));
  }

  get running(): SimApiserver[] {
    return [...this.slots.values()].flatMap(({ running }) => running ?? []);
  }

  startAll(): void {
    for (const slot of this.slots.values()) this.start(slot);
  }

  trouble(): void {
    for (const slot of this.slots.values()) this.disturb(slot);
  }

  transfer(): void {
    const { leader } = this;
    const { random, counts } = this.parts;
    if (leader === undefined) return;
    const { voters } = leader.runner.status.members;
    counts.transfers += 1;
    leader.runner
      .transferLeadership(voters[random.int(0, voters.length - 1)] ?? "")
      .catch(() => {});
  }

  heal(): void {
    for (const slot of this.slots.values()) {
      slot.disk.setFaults({});
      slot.process?.resume();
      if (slot.running?.failed) this.end(slot, "process");
      if (!slot.process?.isAlive) this.start(slot);
    }
  }

  /** A disk that failed right before all was healed. */
  restartFailed(): void {
    for (const slot of this.slots.values())
      if (slot.running?.failed) {
        this.end(slot, "process");
        this.start(slot);
      }
  }

  private disturb(slot: ApiserverSlot): void {
    const { random, plan } = this.parts;
    const { running, process } = slot;
    if (running === undefined || process === undefined) return;
    if (running.failed || random.float() < plan.crash)
      this.crash(slot, random.float() < 0.5 ? "power" : "process");
    else if (random.float() < plan.pause) this.parts.pause(process, random.float() < 0.3);
    else if (random.float() < plan.failingDisk) {
      this.parts.counts.failedDisks += 1;
      slot.disk.setFaults({ syncError: 1 });
      this.parts.sim.setTimer(random.int(50, 400), () => {
        if (slot.process === process) this.crash(slot, "power");
      });
    }
  }

  changeMembers(leader: SimApiserver): void {
    const { random, plan } = this.parts;
    const { runner } = leader;
    const { voters, learners } = runner.status.members;
    const [learner] = learners;
    const change = (work: Promise<unknown>): void => {
      work.then(
        () => {
          this.parts.counts.changes += 1;
        },
        () => {},
      );
    };
    if (learner !== undefined) change(runner.changeMembers({ type: "promote", id: learner }));
    else if (voters.length > plan.apiservers - 1 && voters.length > 3) {
      const id = voters[random.int(0, voters.length - 1)] ?? "";
      change(runner.changeMembers({ type: "remove", id }));
    } else if (this.joins < MAX_JOINS) {
      this.joins += 1;
      const id = `a${plan.apiservers + this.joins}`;
      const slot = this.add(id, undefined);
      this.start(slot, ({ incarnation }) =>
        change(runner.changeMembers({ type: "add-learner", id, incarnation })),
      );
    }
  }

  get leader(): SimApiserver | undefined {
    for (const { running } of this.slots.values())
      if (running?.runner.isRunning && running.runner.status.role === "leader") return running;
    return undefined;
  }

  add(id: string, firstVoters: readonly string[] | undefined): ApiserverSlot {
    const { random, plan } = this.parts;
    const own = random.fork(`disk ${id}`);
    const slot: ApiserverSlot = {
      id,
      machine: this.parts.newMachine(),
      firstVoters,
      process: undefined,
      running: undefined,
      disk: new SimDisk(
        {},
        {
          random: own,
          latency: (operation) => {
            const isSync = operation === "sync";
            if (!isSync && !plan.slowWrites) return Promise.resolve();
            const ms =
              isSync && own.float() < plan.stall ? own.int(20, 400) : own.float() * plan.syncMs;
            return slot.process?.sleep(ms) ?? Promise.resolve();
          },
        },
      ),
    };
    this.slots.set(id, slot);
    return slot;
  }

  private start(slot: ApiserverSlot, onStarted?: (server: SimApiserver) => void): void {
    const { sim, books, net, faults, plan, random } = this.parts;
    const { id, machine, disk, firstVoters } = slot;
    const process = new SimProcess(machine, { sim });
    slot.process = process;
    disk.setFaults({});
    const host = { id, process };
    SimApiserver.start(
      { plan, firstVoters },
      {
        host,
        random: random.fork(`${id} ${this.parts.nextLife()}`),
        disk: disk.process(),
        net,
        books,
        faults,
      },
    ).then(
      (server) => {
        if (!process.isAlive) return;
        slot.running = server;
        net.serve(host, server);
        onStarted?.(server);
      },
      (error: unknown) => {
        if (process.isAlive)
          books.violations.add("apiservers start", `${id} did not: ${String(error)}`);
      },
    );
  }

  private crash(slot: ApiserverSlot, kind: "power" | "process"): void {
    this.parts.counts.crashes += 1;
    this.end(slot, kind);
    this.parts.sim.setTimer(this.parts.random.int(10, 1500), () => {
      if (!slot.process?.isAlive) this.start(slot);
    });
  }

  private end(slot: ApiserverSlot, kind: "power" | "process"): void {
    slot.process?.kill();
    slot.disk.crash(kind);
    this.parts.books.raft.crashed(slot.id);
    slot.running?.end();
    slot.running = undefined;
  }

  /** Whoever is no member (any more) has nothing to say: operators take it away. */
  endRemoved(): void {
    const { voters, learners } = this.leader?.runner.status.members ?? {};
    if (voters === undefined) return;
    for (const slot of this.slots.values())
      if (slot.running && !voters.includes(slot.id) && !learners?.includes(slot.id)) {
        this.removed.add(slot.id);
        this.end(slot, "process");
      }
  }
}
