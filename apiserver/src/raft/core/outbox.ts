import type { MessageBody, RaftMessage } from "./messages.ts";
import type { Checkpoint, HardState, ReadAnswer, ReceivedChunk } from "./types.ts";

/**
 * Effects that wait for the runner. A message that depends on nothing unsynced may leave at once,
 * but never before the term and vote it speaks of are on disk: then it waits for the sync, too.
 */
export class Outbox {
  private now: RaftMessage[] = [];
  private afterSync: RaftMessage[] = [];
  private readAnswers: ReadAnswer[] = [];
  private chunks: ReceivedChunk[] = [];
  private checkpoint: Checkpoint | undefined;
  private readonly sender: { readonly id: string; readonly incarnation: number };
  /** Breaks the rule that answers wait for the sync; tests only. */
  private readonly nothingWaits: boolean;
  private synced: HardState;
  private handed: HardState;

  constructor(
    sender: { readonly id: string; readonly incarnation: number },
    synced: HardState,
    nothingWaits: boolean,
  ) {
    this.sender = sender;
    this.synced = this.handed = synced;
    this.nothingWaits = nothingWaits;
  }

  send(to: string, hardState: HardState, body: MessageBody, when: "now" | "after-sync"): void {
    const { id: from, incarnation } = this.sender;
    const message: RaftMessage = { ...body, from, to, term: hardState.term, incarnation };
    const early = when === "now" && same(this.synced, hardState);
    if (early || this.nothingWaits) this.now.push(message);
    else this.afterSync.push(message);
  }

  answerRead(answer: ReadAnswer): void {
    this.readAnswers.push(answer);
  }

  receiveChunk(chunk: ReceivedChunk): void {
    this.chunks.push(chunk);
  }

  install(checkpoint: Checkpoint): void {
    this.checkpoint = checkpoint;
  }

  get isEmpty(): boolean {
    return (
      this.now.length === 0 &&
      this.afterSync.length === 0 &&
      this.readAnswers.length === 0 &&
      this.chunks.length === 0 &&
      this.checkpoint === undefined
    );
  }

  hasNewHardState(hardState: HardState): boolean {
    return !same(this.handed, hardState);
  }

  takeNow(): readonly RaftMessage[] {
    const messages = this.now;
    this.now = [];
    return messages;
  }

  /** Everything that waits, for one Ready. */
  take(hardState: HardState) {
    const taken = {
      hardState: this.hasNewHardState(hardState) ? hardState : undefined,
      messagesNow: this.takeNow(),
      messagesAfterSync: this.afterSync,
      reads: this.readAnswers,
      chunks: this.chunks,
      checkpoint: this.checkpoint,
    };
    this.handed = hardState;
    this.afterSync = [];
    this.readAnswers = [];
    this.chunks = [];
    this.checkpoint = undefined;
    return taken;
  }

  /** What was handed out last is on disk. */
  advance(): void {
    this.synced = this.handed;
  }
}

function same(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote;
}
