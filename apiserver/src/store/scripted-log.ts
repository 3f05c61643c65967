import type { LeaderInfo } from "@atlasnet/core";
import type { LogConsumer, Proposed, ReadIndex, ReplicatedLog } from "./replicated-log.ts";

/** A log whose leader, commits and losses a test decides. Test support. */
export class ScriptedLog implements ReplicatedLog {
  readonly node: string;
  readonly proposals: { readonly index: number; readonly term: number; command: Uint8Array }[] = [];
  reads: ((read: ReadIndex) => void)[] = [];
  private info: LeaderInfo | undefined;
  private consumer: LogConsumer | undefined;
  private next = 1;

  constructor(node: string, leader: LeaderInfo | undefined) {
    this.node = node;
    this.info = leader;
  }

  propose(command: Uint8Array): Proposed {
    if (this.info?.node !== this.node) return { ok: false };
    const { term } = this.info;
    const index = this.next;
    this.next += 1;
    this.proposals.push({ index, term, command });
    return { ok: true, index, term };
  }

  readIndex(): Promise<ReadIndex> {
    return new Promise((resolve) => this.reads.push(resolve));
  }

  leader(): LeaderInfo | undefined {
    return this.info;
  }

  attach(consumer: LogConsumer): void {
    this.consumer = consumer;
  }

  get taker(): LogConsumer {
    if (this.consumer === undefined) throw new Error("nobody takes the log");
    return this.consumer;
  }

  setLeader(info: LeaderInfo | undefined): void {
    this.info = info;
    this.taker.leaderChanged();
  }

  /** Commits the oldest proposal; answers with it. */
  commit(): { readonly index: number; readonly term: number; readonly command: Uint8Array } {
    const entry = this.proposals.shift();
    if (entry === undefined) throw new Error("nothing was proposed");
    this.taker.apply([entry]);
    return entry;
  }

  /** What was proposed here is gone; entries of another leader take its place. */
  overwrite(index: number, term: number, command: Uint8Array | undefined): void {
    this.proposals.length = 0;
    this.next = index + 1;
    this.taker.apply([{ index, term, command }]);
  }
}
