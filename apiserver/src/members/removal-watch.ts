import type { Clock, Timer } from "@atlasnet/core";
import type { PeerCalls } from "../raft/shell/peer-calls.ts";
import type { RaftRunner } from "../raft/shell/raft-runner.ts";
import type { AddressBook } from "./address-book.ts";
import { decodeBody, GROUP_MEMBERS, membersSchema } from "./group-calls.ts";

const PERIOD_MS = 1_000;
const ASK_MS = 3_000;
const NO_BYTES = new Uint8Array(0);

interface RemovalWatchDependencies {
  readonly runner: Pick<RaftRunner, "status" | "leader">;
  readonly calls: Pick<PeerCalls, "ask">;
  readonly book: Pick<AddressBook, "contacts">;
  readonly clock: Clock;
  /** Once: the group says that this apiserver is none of its members any more. */
  onRemoved(): void;
}

/**
 * Nobody speaks to a member that was removed, and its own log may end before that. So a member without a
 * leader asks the others whether it is one still; only an answer that is up to date counts.
 */
export class RemovalWatch {
  private readonly node: string;
  private readonly parts: RemovalWatchDependencies;
  private timer: Timer | undefined;
  private wasMember = false;
  private asking = false;
  private stopped = false;
  private turn = 0;

  constructor({ node }: { readonly node: string }, dependencies: RemovalWatchDependencies) {
    this.node = node;
    this.parts = dependencies;
  }

  start(): void {
    if (this.stopped) return;
    this.look();
    this.timer = this.parts.clock.setTimer(PERIOD_MS, () => this.start());
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private look(): void {
    const { runner } = this.parts;
    const { members, newLog } = runner.status;
    // A new log names its first members and may belong to one that is only to be added.
    if (newLog) return;
    if (members.voters.includes(this.node) || members.learners.includes(this.node))
      this.wasMember = true;
    if (this.wasMember && runner.leader === undefined && !this.asking) void this.ask();
  }

  private async ask(): Promise<void> {
    const others = this.parts.book.contacts.filter((id) => id !== this.node);
    const other = others[this.turn++ % Math.max(1, others.length)];
    if (other === undefined) return;
    this.asking = true;
    const { code, body } = await this.parts.calls.ask(other, GROUP_MEMBERS, NO_BYTES, ASK_MS);
    this.asking = false;
    const answer = code === "ok" ? decodeBody(membersSchema, body) : undefined;
    if (this.stopped || answer === undefined || answer.members.includes(this.node)) return;
    // It may have been heard by a leader meanwhile.
    if (this.parts.runner.leader !== undefined) return;
    this.stop();
    this.parts.onRemoved();
  }
}
