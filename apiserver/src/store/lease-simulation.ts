import { type Clock, Lease } from "@atlasnet/core";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { DriftingClock } from "./drifting-clock.ts";
import { LEASE_MS, LeaseGroup } from "./lease-group.ts";

/** Faults planted one at a time, to see that the checker finds them. Test support. */
export const LEASE_FAULTS = [
  /** The node counts from the answer instead of from the sending. */
  "counts-from-the-answer",
  /** A leader answers without asking the others whether it still leads. */
  "no-round",
  /** A leader renews while its own proposal that the node is lost is on its way. */
  "renews-while-declaring",
  "no-wait-of-a-new-leader",
  /** A new leader answers before it knows what it inherited. */
  "answers-before-the-no-op",
  /** The node does not see that its machine slept. */
  "blind-to-sleep",
  /** The node acts on what held when it looked last. */
  "acts-without-looking",
  /** Clocks go apart by more than is allowed for. */
  "too-much-drift",
] as const;
export type LeaseFault = (typeof LEASE_FAULTS)[number];

export interface LeaseRun {
  /** What a node let out after another could act in its place. */
  readonly violations: readonly string[];
  readonly acts: number;
  readonly lost: number;
}

const NODES = 3;
/** Simulated time of a run. */
const RUN_MS = 40_000;

/**
 * Three nodes act under leases while leaders change, messages are late or lost, clocks drift, processes
 * stall and machines sleep. Once a node is declared lost, another may act at once: from then on the first
 * must not, until it has registered anew.
 */
export function simulateLeases(seed: number, fault?: LeaseFault): LeaseRun {
  const sim = new SimClock();
  const random = new SeededRandom(`leases/${seed}`);
  const violations: string[] = [];
  const spread = fault === "too-much-drift" ? 0.25 : 0.008;
  const newClock = () =>
    new DriftingClock(
      { rate: 1 + (random.float() * 2 - 1) * spread, start: random.int(0, 10_000) },
      { sim },
    );
  const nodes = new Map<string, SimNode>();
  const group = new LeaseGroup({
    sim,
    random: random.fork("group"),
    fault,
    newClock,
    onRegistered: ({ node, boot }) => nodes.get(node)?.registered(boot),
  });
  group.elect();
  for (let i = 0; i < NODES; i++) {
    const node = new SimNode(`gs-${i}`, {
      sim,
      group,
      random: random.fork(`node ${i}`),
      clock: newClock(),
      fault,
      violations,
    });
    nodes.set(node.name, node);
    node.start();
  }
  const elections = () => {
    sim.setTimer(random.int(300, 6000), () => {
      group.elect();
      elections();
    });
  };
  elections();
  sim.advance(RUN_MS);
  let acts = 0;
  for (const node of nodes.values()) acts += node.acts;
  return { violations, acts, lost: group.lostBoots.size };
}

interface NodeParts {
  readonly sim: SimClock;
  readonly group: LeaseGroup;
  readonly random: SeededRandom;
  readonly clock: DriftingClock;
  readonly fault: LeaseFault | undefined;
  readonly violations: string[];
}

class SimNode {
  readonly name: string;
  acts = 0;
  private readonly parts: NodeParts;
  private readonly lease: Lease;
  private boots = 0;
  private boot = "";
  private registering = false;
  /** What happens while the process stands still waits; undefined while it runs. */
  private inbox: (() => void)[] | undefined;
  /** Messages get lost until then. */
  private cutUntil = 0;

  constructor(name: string, parts: NodeParts) {
    this.name = name;
    this.parts = parts;
    const { clock: own } = parts;
    const clock: Clock = {
      now: () => own.now(),
      wallTime: () => (parts.fault === "blind-to-sleep" ? own.now() : own.wallTime()),
      setTimer: (ms, fn) => own.setTimer(ms, fn),
    };
    this.lease = new Lease({ maxStallMs: 400, maxJumpMs: 100 }, { clock, onSealed: () => {} });
  }

  start(): void {
    this.register();
    this.repeat(
      () => LEASE_MS / 4,
      () => this.renew(),
    );
    this.repeat(
      () => this.parts.random.int(2, 15),
      () => this.act(),
    );
    this.repeat(
      () => this.parts.random.int(200, 6000),
      () => this.stumble(),
    );
  }

  registered(boot: string): void {
    this.receive(() => {
      if (boot !== this.boot) return;
      this.registering = false;
      this.lease.registered();
    });
  }

  private act(): void {
    const { fault, group, violations, sim } = this.parts;
    const may =
      fault === "acts-without-looking" ? this.lease.sealed === undefined : this.lease.mayAct();
    if (!may) return;
    this.acts += 1;
    if (group.lostBoots.has(this.boot))
      violations.push(
        `${this.boot} acts at ${sim.now().toFixed(1)} ms, after it was declared lost`,
      );
  }

  private renew(): void {
    const { group, fault } = this.parts;
    if (this.registering) return;
    const number = this.lease.renewing();
    const { boot, name: node } = this;
    this.send(() =>
      group.renew({ node, boot, number }, (answer) =>
        this.receive(() => {
          if (boot !== this.boot || this.registering) return;
          if (answer.ok) {
            const counted = fault === "counts-from-the-answer" ? this.lease.renewing() : number;
            this.lease.granted(counted, answer.leaseMs);
          } else if (answer.code !== "not-leader" && group.lostBoots.has(boot)) {
            this.lease.lost();
            this.register();
          }
        }),
      ),
    );
  }

  private register(): void {
    const { group, sim } = this.parts;
    this.boots += 1;
    this.boot = `${this.name}/${this.boots}`;
    this.registering = true;
    const { boot } = this;
    const again = () => {
      if (!this.registering || boot !== this.boot) return;
      group.register({ node: this.name, boot, leaseMs: LEASE_MS });
      sim.setTimer(1500, again);
    };
    again();
  }

  /** A stall of the process, a sleep of the machine, or a while without messages. */
  private stumble(): void {
    const { random, sim, clock } = this.parts;
    const ms = random.int(20, 3000);
    const kind = random.int(0, 2);
    if (kind === 0) {
      this.cutUntil = sim.now() + ms;
      return;
    }
    this.inbox = [];
    sim.setTimer(ms, () => {
      if (kind === 1) clock.slept(ms);
      const waiting = this.inbox ?? [];
      this.inbox = undefined;
      // The first thing that runs may be the release of a batch.
      if (random.int(0, 1) === 0) this.act();
      for (const fn of waiting) fn();
    });
  }

  private send(fn: () => void): void {
    const { sim, random } = this.parts;
    if (sim.now() < this.cutUntil || random.int(0, 9) === 0) return;
    sim.setTimer(random.int(1, 300), fn);
  }

  private receive(fn: () => void): void {
    const { sim, random } = this.parts;
    sim.setTimer(random.int(1, 300), () => {
      if (sim.now() < this.cutUntil) return;
      if (this.inbox === undefined) fn();
      else this.inbox.push(fn);
    });
  }

  private repeat(every: () => number, fn: () => void): void {
    this.parts.sim.setTimer(every(), () => {
      if (this.inbox === undefined) fn();
      this.repeat(every, fn);
    });
  }
}
