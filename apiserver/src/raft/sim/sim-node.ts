import type { Random } from "@atlasnet/core";
import type { RaftFault } from "../core/faults.ts";
import { type RaftMessage, withChunkData } from "../core/messages.ts";
import { RaftCore } from "../core/raft-core.ts";
import type { Entry, ReadAnswer, Ready } from "../core/types.ts";
import type { NodeView } from "./checkers/checker.ts";
import { decodeCommand, decodeState, encodeState } from "./command.ts";
import type { NodeDisk } from "./disk.ts";
import type { Plan } from "./plan.ts";

/** What a node tells the simulation. */
export interface NodeEvents {
  send(message: RaftMessage): void;
  applied(node: SimNode, entry: Entry): void;
  installed(node: SimNode, ready: Ready): void;
  read(node: SimNode, answer: ReadAnswer): void;
  changed(node: SimNode): void;
  wrote(node: SimNode, entries: readonly Entry[]): void;
}

/** One process: the runner of a core, its disk, its state machine. */
export class SimNode {
  readonly id: string;
  readonly disk: NodeDisk;
  readonly core: RaftCore;
  /** The state machine: commands in order. */
  values: number[];
  /** Asleep until this step: messages and ticks wait. */
  pausedUntil = 0;
  /** Ticks per step. */
  readonly rate: number;
  private ticks = 0;
  private inbox: RaftMessage[] = [];
  private syncing: { readonly ready: Ready; readonly until: number } | undefined;
  private readonly events: NodeEvents;
  private readonly random: Random;
  private readonly plan: Plan;

  constructor(
    options: { id: string; incarnation: number; rate: number; plan: Plan },
    disk: NodeDisk,
    dependencies: { random: Random; events: NodeEvents; faults: ReadonlySet<RaftFault> },
  ) {
    const { id, incarnation, plan } = options;
    this.id = id;
    this.disk = disk;
    this.rate = options.rate;
    this.plan = plan;
    this.events = dependencies.events;
    this.random = dependencies.random;
    this.values = decodeState(disk.state);
    const { preVote, maxBatchEntries, maxInflightMessages, chunkBytes, trailingBytes } = plan;
    const limits = { maxBatchEntries, maxInflightMessages, chunkBytes, trailingBytes };
    this.core = new RaftCore({ id, incarnation, preVote, ...limits }, disk.stored, dependencies);
  }

  get view(): NodeView {
    return { id: this.id, core: this.core, status: this.core.status };
  }

  deliver(message: RaftMessage): void {
    this.inbox.push(message);
  }

  /** One step of time. */
  run(now: number, healed: boolean): void {
    if (now < this.pausedUntil) return;
    this.ticks += healed ? 1 : this.rate;
    for (; this.ticks >= 1; this.ticks--) this.core.tick();
    const inbox = this.inbox;
    this.inbox = [];
    for (const message of inbox) {
      this.core.step(message);
      this.pump(now, healed);
    }
    this.pump(now, healed);
  }

  /** Does what the core wants done, until it waits for the disk or wants nothing. */
  pump(now: number, healed: boolean): void {
    for (const message of this.core.takeMessagesNow()) this.send(message);
    this.events.changed(this);
    for (;;) {
      if (this.syncing) {
        if (now < this.syncing.until) return;
        this.finish(this.syncing.ready);
        this.syncing = undefined;
      }
      if (!this.core.hasReady()) return;
      const ready = this.core.ready();
      this.events.wrote(this, ready.entries);
      this.events.changed(this);
      for (const message of ready.messagesNow) this.send(message);
      this.disk.write(ready);
      this.syncing = { ready, until: now + (healed ? 0 : this.syncTime()) };
    }
  }

  /** Makes a checkpoint of what is applied. */
  compact(): void {
    const { applied, checkpointIndex } = this.core.status;
    // While a Ready is on its way the state machine is not at `applied` yet, or a checkpoint comes.
    if (this.syncing || applied <= checkpointIndex) return;
    const bytes = encodeState(this.values);
    const checkpoint = { ...this.core.checkpointAt(applied), size: bytes.length };
    this.disk.putCheckpoint(checkpoint, bytes, this.core.checkpointsInUse());
    this.core.compact(checkpoint);
  }

  private finish(ready: Ready): void {
    this.disk.sync();
    for (const message of ready.messagesAfterSync) this.send(message);
    if (ready.checkpoint) {
      this.values = decodeState(this.disk.state);
      this.events.installed(this, ready);
    }
    for (const entry of ready.committed) {
      if (entry.type === "command") this.values.push(decodeCommand(entry.data));
      this.events.applied(this, entry);
    }
    for (const answer of ready.reads) this.events.read(this, answer);
    this.core.advance(ready);
    for (const message of this.core.takeMessagesNow()) this.send(message);
    this.events.changed(this);
  }

  private send(message: RaftMessage): void {
    if (message.type !== "checkpoint-chunk") return this.events.send(message);
    const state = this.disk.readState(message.checkpoint.index);
    if (!state) return this.core.checkpointUnreadable(message.to);
    const { offset, length } = message;
    this.events.send(withChunkData(message, state.slice(offset, offset + length)));
  }

  private syncTime(): number {
    if (this.random.float() < this.plan.stall) return this.random.int(10, 40);
    return this.random.int(0, this.plan.sync);
  }
}
