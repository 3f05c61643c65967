import { type Clock, noopLogger, type Random } from "@atlasnet/core";
import { SeededRandom, SimDisk } from "@atlasnet/core/sim";
import type { RaftMessage } from "../../core/messages.ts";
import { AtlasRaft } from "../atlas-raft.ts";
import { openGroupLog } from "../group-log.ts";
import { LifeRaft } from "../liferaft.ts";
import { decodeRaftMessage, encodeRaftMessage } from "../message-codec.ts";
import { LedgerMachine } from "./ledger-machine.ts";

/** Heartbeats all the time, and no election that a test does not begin. */
const CORE = { heartbeatTicks: 1, electionTicks: 100_000, checkQuorum: false };
const TICK_MS = 10;

interface Running {
  readonly raft: AtlasRaft;
  readonly machine: LedgerMachine;
}

/** Nodes of ours in the place of the package's, under the same hands: a network of this process, elections by `promote`. */
export class SafeCluster {
  readonly nodes = new Map<string, Running>();
  /** Who led in which term. */
  readonly leaders = new Map<number, Set<string>>();
  /** False drops a message. */
  filter: (message: RaftMessage) => boolean = () => true;
  private readonly cuts = new Set<string>();
  private readonly disks = new Map<string, SimDisk>();
  private readonly ids: readonly string[];
  private readonly dependencies: { readonly clock: Clock; readonly random: Random };

  static async start(
    ids: readonly string[],
    dependencies: { readonly clock: Clock; readonly random: Random },
  ): Promise<SafeCluster> {
    const made = new SafeCluster(ids, dependencies);
    for (const id of ids) await made.start(id);
    return made;
  }

  private constructor(
    ids: readonly string[],
    dependencies: { readonly clock: Clock; readonly random: Random },
  ) {
    this.ids = ids;
    this.dependencies = dependencies;
  }

  async start(id: string): Promise<void> {
    const { clock, random } = this.dependencies;
    const disk = this.disks.get(id) ?? new SimDisk({}, { random: new SeededRandom(id) });
    this.disks.set(id, disk);
    const { log, stored } = await openGroupLog(
      { dir: `/${id}`, identity: { cluster: "c", node: id }, firstVoters: this.ids },
      { disk: disk.process(), clock, random, logger: noopLogger },
    );
    const machine = new LedgerMachine();
    const core = { ...CORE, id, incarnation: log.identity.incarnation };
    const transport = { send: (message: RaftMessage) => this.carry(message) };
    const raft = new AtlasRaft({ core, runner: { tickMs: TICK_MS } }, stored, {
      clock,
      random,
      log,
      machine,
      transport,
      logger: noopLogger,
    });
    raft.on("leader", () => {
      this.leaders.set(raft.term, (this.leaders.get(raft.term) ?? new Set()).add(id));
    });
    this.nodes.set(id, { raft, machine });
    await raft.start();
  }

  node(id: string): Running {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`${id} does not run`);
    return node;
  }

  leads(id: string): boolean {
    return this.nodes.get(id)?.raft.state === LifeRaft.LEADER;
  }

  isolate(id: string): void {
    this.cuts.add(id);
  }

  heal(): void {
    this.cuts.clear();
  }

  /** Its process dies. */
  stop(id: string): void {
    this.disks.get(id)?.crash("process");
    this.nodes.get(id)?.raft.end();
    this.nodes.delete(id);
  }

  stopAll(): void {
    for (const id of [...this.nodes.keys()]) this.stop(id);
  }

  deliver(message: RaftMessage): void {
    this.nodes.get(message.to)?.raft.emit("data", message);
  }

  private carry(message: RaftMessage): void {
    if (!this.filter(message)) return;
    const { from, to } = message;
    const bytes = encodeRaftMessage(message).slice();
    const [sender, receiver] = [this.nodes.get(from), this.nodes.get(to)];
    setImmediate(() => {
      const copy = decodeRaftMessage(bytes, { from, to });
      if (!copy.ok) throw new Error(copy.problem);
      // Nothing outlives a process: what is under way ends with either of the two.
      const alive = this.nodes.get(from) === sender && this.nodes.get(to) === receiver;
      if (alive && !this.cuts.has(from) && !this.cuts.has(to)) this.deliver(copy.message);
    });
  }
}
