import { Machine, SimProcess } from "@atlasnet/apiserver/sim";
import { type SeededRandom, type SimClock, SimDisk, type SimNetwork } from "@atlasnet/core/sim";
import type { Plan } from "./plan.ts";

/** A restart after a crash takes so long at most, in ms. */
export const RESTART_MS = 4_000;

/** A process's place: its machine stays when it dies. */
export interface Slot<T> {
  readonly id: string;
  readonly machine: Machine;
  process: SimProcess | undefined;
  running: T | undefined;
}

export interface MachinesDependencies {
  readonly clock: SimClock;
  readonly random: SeededRandom;
  readonly network: SimNetwork;
  note(event: string): void;
  /** A process has a fault of its own. */
  fault(where: string, error: unknown): void;
}

/** The machines of a cluster: clocks and disks that stay while processes on them come and go. */
export class Machines {
  private readonly plan: Pick<Plan, "drift" | "stall" | "syncMs">;
  private readonly deps: MachinesDependencies;
  private readonly processes = new Map<string, SimProcess>();
  private begun = 0;

  constructor(plan: Pick<Plan, "drift" | "stall" | "syncMs">, dependencies: MachinesDependencies) {
    this.plan = plan;
    this.deps = dependencies;
  }

  /** Something arrives at a node: its process may stand still. */
  at(node: string, arrive: () => void): void {
    const process = this.processes.get(node);
    if (process === undefined) arrive();
    else process.run(arrive);
  }

  /** All processes that stand still go on. */
  resume(): void {
    for (const process of this.processes.values()) process.resume();
  }

  /** How many lives of processes there were. */
  get lives(): number {
    return this.begun;
  }

  /** A process starts there. */
  begin(slot: Slot<unknown>): SimProcess {
    const process = new SimProcess(slot.machine, { sim: this.deps.clock });
    this.deps.note(`${slot.id} starts`);
    slot.process = process;
    this.processes.set(slot.id, process);
    return process;
  }

  /** Its process is gone at once, and with it all that it knew. */
  end(slot: Slot<unknown>): void {
    this.deps.note(`${slot.id} dies`);
    slot.process?.kill();
    slot.running = undefined;
    this.deps.network.kill(slot.id);
  }

  /** Starts it some time later, unless something runs there by then. */
  again(slot: Slot<unknown>, start: () => void): void {
    const { clock, random } = this.deps;
    clock.setTimer(random.int(50, RESTART_MS), () => {
      if (slot.running === undefined) start();
    });
  }

  /** A machine with a clock of its own, and nothing that runs. */
  slot<T>(id: string): Slot<T> {
    const { random, clock } = this.deps;
    const rate = 1 + (random.float() * 2 - 1) * this.plan.drift;
    const machine = new Machine({ rate, start: random.int(0, 10_000) }, { sim: clock });
    return { id, machine, process: undefined, running: undefined };
  }

  /** `sleep`: on the clock of whoever waits for it. */
  disk(id: string, sleep: (ms: number) => Promise<void>): SimDisk {
    const { plan } = this;
    const random = this.deps.random.fork(`disk ${id}`);
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

  /** The chance of a process's next life. */
  life(id: string): SeededRandom {
    this.begun += 1;
    return this.deps.random.fork(`${id} ${this.begun}`);
  }

  /** A process that lives must not fail at it. */
  go(id: string, process: SimProcess, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (process.isAlive) this.deps.fault(id, error);
    });
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.deps.clock.setTimer(ms, resolve);
    });
  }
}
