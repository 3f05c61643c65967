import { SeededRandom } from "@atlasnet/core/sim";
import { EMPTY_STATE } from "../core/bootstrap.ts";
import type { RaftFault } from "../core/faults.ts";
import type { ReadAnswer, Ready } from "../core/types.ts";
import type { Checker } from "./checkers/checker.ts";
import { ElectionSafety } from "./checkers/election-safety.ts";
import { LeaderAppendOnly } from "./checkers/leader-append-only.ts";
import { LeaderCompleteness } from "./checkers/leader-completeness.ts";
import { LogMatching } from "./checkers/log-matching.ts";
import { whatIsMissing } from "./checkers/progress.ts";
import { StateMachineSafety } from "./checkers/state-machine-safety.ts";
import { Clients } from "./clients.ts";
import { NodeDisk } from "./disk.ts";
import { Network } from "./network.ts";
import { drawPlan, type Plan } from "./plan.ts";
import { type NodeEvents, SimNode } from "./sim-node.ts";
import { SimViolation } from "./violation.ts";

/** How often to look whether all is well again. */
const SETTLE_STEPS = 25;

/** Members that may join in one run, besides the first. */
const MAX_JOINS = 4;

export interface RunResult {
  readonly plan: Plan;
  readonly elections: number;
  readonly committed: number;
  readonly acknowledged: number;
  readonly reads: number;
  readonly installs: number;
  readonly changes: number;
}

/** One group of nodes under one seed. `run` throws a SimViolation when a rule was broken. */
export class Simulation implements NodeEvents {
  private readonly random: SeededRandom;
  private readonly plan: Plan;
  private readonly faults: ReadonlySet<RaftFault>;
  private readonly network: Network;
  private readonly clients: Clients;
  private readonly elections = new ElectionSafety();
  private readonly machine = new StateMachineSafety();
  private readonly checkers: readonly Checker[];
  private readonly running = new Map<string, SimNode>();
  /** Disk and incarnation of every node there is, running or not. */
  private readonly disks = new Map<string, { disk: NodeDisk; incarnation: number; rate: number }>();
  private readonly first: readonly string[];
  private now = 0;
  private healed = false;
  private wiped = false;
  private joins = 0;
  private installs = 0;
  private changes = 0;

  constructor(seed: number, faults: ReadonlySet<RaftFault>, changes: Partial<Plan> = {}) {
    this.random = new SeededRandom(seed);
    this.faults = faults;
    this.plan = { ...drawPlan(this.random), ...changes };
    this.network = new Network(this.random.fork("network"), this.plan);
    this.clients = new Clients(this.random.fork("clients"));
    this.checkers = [
      this.elections,
      this.machine,
      new LeaderAppendOnly(),
      new LogMatching(),
      new LeaderCompleteness(),
    ];
    this.first = Array.from({ length: this.plan.nodes }, (_, at) => `n${at + 1}`);
    for (const id of this.first) this.addDisk(id, NodeDisk.ofFirstMember(this.first));
    for (const id of this.first) this.boot(id);
  }

  run(): RunResult {
    const { steps, healSteps } = this.plan;
    for (; this.now < steps; this.now++) {
      this.trouble();
      this.step();
    }
    this.heal();
    this.settle(healSteps, undefined);
    this.settle(healSteps, this.lastWrite());
    this.clients.acknowledged.check("the log", this.machine.valuesUpTo(this.machine.highest));
    return {
      plan: this.plan,
      elections: this.elections.elections,
      committed: this.machine.highest,
      acknowledged: this.clients.acknowledged.count,
      reads: this.clients.readCount,
      installs: this.installs,
      changes: this.changes,
    };
  }

  send(message: Parameters<NodeEvents["send"]>[0]): void {
    this.network.send(this.now, message);
  }

  changed(node: SimNode): void {
    const { view } = node;
    for (const checker of this.checkers) checker.onState?.(view);
  }

  wrote(node: SimNode, entries: Parameters<NodeEvents["wrote"]>[1]): void {
    if (entries.length === 0) return;
    const { view } = node;
    for (const checker of this.checkers) checker.onEntries?.(view, entries);
  }

  applied(node: SimNode, entry: Parameters<NodeEvents["applied"]>[1]): void {
    for (const checker of this.checkers) checker.onApply?.(node.id, entry);
    this.clients.onApply(node, entry);
  }

  installed(node: SimNode, { checkpoint }: Ready): void {
    if (!checkpoint) return;
    this.installs++;
    for (const checker of this.checkers) checker.onInstall?.(node.id, checkpoint, node.values);
  }

  read(node: SimNode, answer: ReadAnswer): void {
    this.clients.onRead(node, answer, this.machine.appliedBy(node.id));
  }

  /** Goes on until all is as it should be, for so many steps at most. */
  private settle(steps: number, lastWrite: number | undefined): void {
    const end = this.now + steps;
    for (;;) {
      for (let at = 0; at < SETTLE_STEPS; at++, this.now++) this.step();
      const views = [...this.running.values()].map((node) => node.view);
      const machines = new Map([...this.running].map(([id, node]) => [id, node.values]));
      const missing = whatIsMissing(views, machines, lastWrite);
      if (missing === undefined) return;
      if (this.now >= end) throw new SimViolation("progress after healing", missing);
    }
  }

  private step(): void {
    for (const message of this.network.arrivals(this.now))
      this.running.get(message.to)?.deliver(message);
    for (const node of [...this.running.values()]) node.run(this.now, this.healed);
    if (!this.healed) this.work();
  }

  /** Clients and operators. */
  private work(): void {
    const { random, plan } = this;
    for (const node of [...this.running.values()]) {
      if (this.now < node.pausedUntil || node.core.status.role !== "leader") continue;
      if (random.float() < plan.write) this.clients.write(node);
      if (random.float() < plan.read) this.clients.read(node);
      if (random.float() < plan.change) this.change(node);
      if (random.float() < plan.transfer) {
        const { voters } = node.core.members;
        node.core.transferLeadership(voters[random.int(0, voters.length - 1)] ?? "");
      }
      node.pump(this.now, false);
    }
    for (const node of this.running.values()) if (random.float() < plan.compact) node.compact();
  }

  private change(node: SimNode): void {
    const { random } = this;
    const { voters, learners } = node.core.members;
    const [learner] = learners;
    const kind = random.float();
    if (learner && kind < 0.6) {
      if (node.core.changeMembers({ type: "promote", id: learner }).ok) this.changes++;
    } else if (this.joins < MAX_JOINS && voters.length + learners.length < 6 && kind < 0.8) {
      const id = `j${this.joins + 1}`;
      const incarnation = random.int(1, 1_000_000);
      if (!node.core.changeMembers({ type: "add-learner", id, incarnation }).ok) return;
      this.joins++;
      this.changes++;
      this.addDisk(id, new NodeDisk(EMPTY_STATE), incarnation);
      this.boot(id);
    } else if (voters.length > 1) {
      const id = voters[random.int(0, voters.length - 1)] ?? "";
      if (node.core.changeMembers({ type: "remove", id }).ok) this.changes++;
    }
  }

  private trouble(): void {
    const { random, plan } = this;
    const ids = [...this.disks.keys()];
    if (random.float() < plan.cut) this.network.recut(ids);
    for (const id of ids) {
      const node = this.running.get(id);
      if (!node) {
        if (random.float() < plan.restart) this.boot(id);
      } else if (random.float() < plan.crash) this.crash(node);
      else if (random.float() < plan.pause) node.pausedUntil = this.now + random.int(5, 60);
    }
    if (plan.wipe && !this.wiped && random.float() < 0.005) this.wipe();
  }

  private crash(node: SimNode): void {
    this.running.delete(node.id);
    node.disk.crash(this.random);
    this.clients.onCrash(node.id);
    for (const checker of this.checkers) checker.onCrash?.(node.id);
  }

  /** A first member loses its disk and comes back as if the group were new. */
  private wipe(): void {
    const id = this.first[this.random.int(0, this.first.length - 1)] ?? "";
    if (!this.mayWipe(id)) return;
    this.wiped = true;
    const node = this.running.get(id);
    if (node) this.crash(node);
    this.addDisk(id, NodeDisk.ofFirstMember(this.first));
    this.boot(id);
  }

  /**
   * A group survives the loss of a log when a majority has the others', and all of those know whose
   * it was. One of three, then; two at once are no group any more, and nothing can be promised.
   */
  private mayWipe(id: string): boolean {
    const { disks, running } = this;
    if (this.plan.change > 0 || this.plan.nodes < 3) return false;
    return this.first.every((other) => {
      const status = running.get(other)?.core.status;
      if (!status || status.newLog) return false;
      return status.members.incarnations[id] === disks.get(id)?.incarnation;
    });
  }

  private heal(): void {
    this.healed = true;
    this.network.heal();
    for (const node of this.running.values()) node.pausedUntil = 0;
    for (const id of this.disks.keys()) if (!this.running.has(id)) this.boot(id);
  }

  /** A write after healing, through the leader there must be by now. */
  private lastWrite(): number {
    for (const node of this.running.values()) {
      if (node.core.status.role !== "leader") continue;
      const value = this.clients.write(node);
      if (value !== undefined) return value;
    }
    return -1;
  }

  private addDisk(id: string, disk: NodeDisk, incarnation = this.random.int(1, 1_000_000)): void {
    const rate = 1 + (this.random.float() * 2 - 1) * this.plan.drift;
    this.disks.set(id, { disk, incarnation, rate });
  }

  private boot(id: string): void {
    const { plan, random, faults } = this;
    const found = this.disks.get(id);
    if (!found) return;
    const { disk, incarnation, rate } = found;
    const options = { id, incarnation, rate, plan };
    const node = new SimNode(options, disk, { random, events: this, faults });
    this.machine.begin(id, disk.stored.checkpoint, node.values);
    this.running.set(id, node);
  }
}
