/** Most reliable messages, and bytes of them, that wait for the server's acknowledgement. */
export const DEFAULT_MAX_QUEUED_MESSAGES = 1024;
export const DEFAULT_MAX_QUEUED_BYTES = 1024 * 1024;

export interface QueuedMessage {
  seq: number;
  readonly index: number;
  readonly payload: Uint8Array;
  /** True once it was handed to a connection: it may have been applied. */
  sent: boolean;
}

/** Thrown by `send` when the server has not acknowledged anything for too long. */
export class QueueFullError extends Error {
  readonly code = "queue-full";
  constructor(messages: number, bytes: number) {
    super(
      `${messages} messages (${bytes} bytes) wait for the server, which is the most that are kept. ` +
        "Send less while the connection is lost (onDrop, onResume), or raise maxQueued in connect().",
    );
    this.name = "QueueFullError";
  }
}

/**
 * Reliable messages from `send` to acknowledgement.
 *
 * 1. Numbers of what is kept are consecutive and end at `nextSeq − 1`.
 * 2. Messages before `cursor` were sent on this connection, those after it wait.
 */
export class Outbox {
  nextSeq = 1;
  private readonly maxMessages: number;
  private readonly maxBytes: number;
  private kept: QueuedMessage[] = [];
  private cursor = 0;
  private bytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.maxMessages = maxMessages;
    this.maxBytes = maxBytes;
  }

  get length(): number {
    return this.kept.length;
  }

  get firstUnacked(): number {
    return this.kept[0]?.seq ?? this.nextSeq;
  }

  /** @throws QueueFullError */
  add(index: number, payload: Uint8Array): void {
    const bytes = this.bytes + payload.length;
    if (this.kept.length >= this.maxMessages || bytes > this.maxBytes)
      throw new QueueFullError(this.kept.length, this.bytes);
    this.kept.push({ seq: this.nextSeq++, index, payload, sent: false });
    this.bytes = bytes;
  }

  /** The next message to hand to the connection, without taking it. */
  peek(): QueuedMessage | undefined {
    return this.kept[this.cursor];
  }

  /** The message of `peek` is on its way. */
  advance(): void {
    const message = this.kept[this.cursor];
    if (message === undefined) return;
    message.sent = true;
    this.cursor += 1;
  }

  /** Everything kept is to be sent again. */
  rewind(): void {
    this.cursor = 0;
  }

  /** The server applied everything up to `seq`. */
  confirm(seq: number): void {
    const count = this.kept.findIndex((message) => message.seq > seq);
    this.drop(count < 0 ? this.kept.length : count);
  }

  /** What is kept gets the numbers from `first` on. */
  renumber(first: number): void {
    let seq = first;
    for (const message of this.kept) message.seq = seq++;
    this.nextSeq = seq;
  }

  /** A new stream begins: what may have been applied on the old one is dropped. */
  restart(): void {
    this.kept = this.kept.filter((message) => !message.sent);
    this.bytes = this.kept.reduce((sum, { payload }) => sum + payload.length, 0);
    this.cursor = 0;
    this.renumber(1);
  }

  private drop(count: number): void {
    for (const { payload } of this.kept.splice(0, count)) this.bytes -= payload.length;
    this.cursor = Math.max(0, this.cursor - count);
  }
}
