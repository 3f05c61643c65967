import type { SeededRandom, SimClock } from "@atlasnet/core/sim";
import type { DriftingClock } from "./drifting-clock.ts";
import type { LeaseFault } from "./lease-simulation.ts";
import { type LeaseHolder, LeaseTable, type Renewal, type RenewalAnswer } from "./lease-table.ts";

type GroupEntry =
  | { readonly type: "no-op"; readonly term: number }
  | { readonly type: "lost"; readonly term: number; readonly node: string; readonly boot: string }
  | { readonly type: "register"; readonly term: number; readonly holder: LeaseHolder };

interface Leader {
  readonly term: number;
  readonly clock: DriftingClock;
  readonly table: LeaseTable;
  readonly electedAt: number;
  /** It believes to lead, maybe long after another does. */
  believes: boolean;
  applied: number;
  readonly waiting: (() => void)[];
}

/**
 * The apiservers as leases see them, without Raft's details: one log, leaders one after another, each of
 * which inherits what was committed and some of what was not, and may not know for long that it was
 * replaced. Test support.
 */
export class LeaseGroup {
  readonly lostBoots = new Set<string>();
  private readonly sim: SimClock;
  private readonly random: SeededRandom;
  private readonly fault: LeaseFault | undefined;
  private readonly newClock: () => DriftingClock;
  private readonly committed: GroupEntry[] = [];
  private open: GroupEntry[] = [];
  private leader: Leader | undefined;
  private readonly leaders: Leader[] = [];
  private readonly onRegistered: (holder: LeaseHolder) => void;

  constructor(options: {
    sim: SimClock;
    random: SeededRandom;
    fault: LeaseFault | undefined;
    newClock: () => DriftingClock;
    onRegistered: (holder: LeaseHolder) => void;
  }) {
    this.sim = options.sim;
    this.random = options.random;
    this.fault = options.fault;
    this.newClock = options.newClock;
    this.onRegistered = options.onRegistered;
  }

  elect(): void {
    const old = this.leader;
    if (old !== undefined)
      this.sim.setTimer(this.random.int(0, 2000), () => {
        old.believes = false;
        old.table.follow();
      });
    const term = (old?.term ?? 0) + 1;
    // It has what was committed, and of the rest as much as came to it.
    this.open = this.open.slice(0, this.random.int(0, this.open.length));
    const clock = this.newClock();
    const leader: Leader = {
      term,
      clock,
      table: new LeaseTable(),
      electedAt: this.fault === "no-wait-of-a-new-leader" ? -1e9 : clock.now(),
      believes: true,
      applied: 0,
      waiting: [],
    };
    this.leader = leader;
    this.leaders.push(leader);
    if (this.leaders.length > 4) this.leaders.shift();
    this.append(leader, { type: "no-op", term });
    if (this.fault === "answers-before-the-no-op") {
      this.catchUp(leader);
      this.begin(leader);
    }
    this.patrol(leader);
  }

  /** A renewal comes to some leader, the present one or a former one that does not know. */
  renew(renewal: Renewal, answer: (answer: RenewalAnswer) => void): void {
    const believing = this.leaders.filter(({ believes }) => believes);
    const leader = believing[this.random.int(0, Math.max(0, believing.length - 1))];
    if (leader === undefined) return;
    const received = leader.table.receive(renewal, leader.clock.now());
    if ("refused" in received) {
      if (
        this.fault === "renews-while-declaring" &&
        received.refused.ok === false &&
        received.refused.code === "lost"
      )
        answer({ ok: true, number: renewal.number, leaseMs: LEASE_MS });
      else answer(received.refused);
      return;
    }
    const finish = () => {
      const confirmed = leader.table.confirmed(received);
      const lost = !confirmed.ok && confirmed.code === "lost";
      answer(
        this.fault === "renews-while-declaring" && lost
          ? { ok: true, number: renewal.number, leaseMs: LEASE_MS }
          : confirmed,
      );
    };
    if (this.fault === "no-round") finish();
    else this.round(leader, finish);
  }

  register(holder: LeaseHolder): void {
    if (this.leader !== undefined)
      this.append(this.leader, { type: "register", term: this.leader.term, holder });
  }

  /** Acknowledgements come at some moment within; the round succeeds when it still led then. */
  private round(leader: Leader, done: () => void): void {
    this.sim.setTimer(this.random.int(1, 30), () => {
      if (this.leader !== leader) return;
      const seen = this.committed.length;
      this.sim.setTimer(this.random.int(0, 200), () => {
        const ready = () =>
          this.fault === "answers-before-the-no-op" ||
          (leader.applied >= seen && this.committed.some(({ term }) => term === leader.term));
        if (ready()) done();
        else
          leader.waiting.push(() => {
            if (ready()) done();
          });
      });
    });
  }

  private append(leader: Leader, entry: GroupEntry): void {
    this.open.push(entry);
    this.sim.setTimer(this.random.int(5, 400), () => {
      if (this.leader !== leader || !this.open.includes(entry)) return;
      // The rule of Raft: entries of this term commit, and what stands before them.
      const end = this.open.indexOf(entry) + 1;
      for (const each of this.open.splice(0, end)) this.commit(each);
      this.catchUp(leader);
    });
  }

  /** From now on others may act on it, at once. */
  private commit(entry: GroupEntry): void {
    // A boot is registered once: a second registration that was late must not revive it.
    const again =
      entry.type === "register" &&
      this.committed.some(
        (other) => other.type === "register" && other.holder.boot === entry.holder.boot,
      );
    this.committed.push(again ? { type: "no-op", term: -1 } : entry);
    if (entry.type === "lost") this.lostBoots.add(entry.boot);
    if (entry.type === "register" && !again) this.onRegistered(entry.holder);
  }

  private catchUp(leader: Leader): void {
    const { table, clock } = leader;
    while (leader.applied < this.committed.length) {
      const entry = this.committed[leader.applied];
      leader.applied += 1;
      if (entry?.type === "no-op" && entry.term === leader.term) {
        if (this.fault !== "answers-before-the-no-op") this.begin(leader);
      } else if (entry?.type === "register") table.registered(entry.holder, clock.now());
      else if (entry?.type === "lost" && this.isCurrent(entry.node, entry.boot, leader.applied))
        table.removed(entry.node);
    }
    for (const wake of leader.waiting.splice(0)) wake();
  }

  private begin(leader: Leader): void {
    leader.table.lead(leader.electedAt, this.holders(leader.applied).values());
  }

  private holders(applied: number): Map<string, LeaseHolder> {
    const holders = new Map<string, LeaseHolder>();
    for (const entry of this.committed.slice(0, applied)) {
      if (entry.type === "register") holders.set(entry.holder.node, entry.holder);
      else if (entry.type === "lost" && holders.get(entry.node)?.boot === entry.boot)
        holders.delete(entry.node);
    }
    return holders;
  }

  private isCurrent(node: string, boot: string, applied: number): boolean {
    return this.holders(applied - 1).get(node)?.boot === boot;
  }

  /** Looks for leases that have ended, as long as it believes to lead. */
  private patrol(leader: Leader): void {
    this.sim.setTimer(10, () => {
      if (!leader.believes) return;
      const now = leader.clock.now();
      for (const node of leader.table.expired(now)) {
        const boot = this.holders(leader.applied).get(node)?.boot;
        if (boot === undefined || this.proposed(leader, boot)) continue;
        if (!leader.table.declare(node, now)) continue;
        if (this.leader === leader)
          this.append(leader, { type: "lost", term: leader.term, node, boot });
      }
      this.patrol(leader);
    });
  }

  private proposed(leader: Leader, boot: string): boolean {
    return (
      this.leader === leader &&
      this.open.some((entry) => entry.type === "lost" && entry.boot === boot)
    );
  }
}

export const LEASE_MS = 1000;
