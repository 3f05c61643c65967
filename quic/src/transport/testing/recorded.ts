import type { QuicCloseReason, QuicConnection, QuicConnectionEvents } from "../quic-connection.ts";

/** One end of a connection that writes down what it hears, and lets tests wait for it. */
export class Recorded implements QuicConnectionEvents {
  readonly connection: QuicConnection;
  readonly heard: string[] = [];
  readonly streams = new Map<number, Buffer[]>();
  readonly datagrams: Buffer[] = [];
  readonly ended: number[] = [];
  turns = 0;
  writables = 0;
  up = false;
  reason: QuicCloseReason | undefined;
  /** Called after each event, beside the notes. */
  onEvent: (() => void) | undefined;
  private readonly waiting = new Set<{ ready: () => boolean; resolve: () => void }>();

  constructor(connection: QuicConnection) {
    this.connection = connection;
  }

  /** Resolves when the condition holds, looked at after each event. */
  async until(ready: () => boolean): Promise<void> {
    if (ready()) return;
    await new Promise<void>((resolve) => this.waiting.add({ ready, resolve }));
  }

  async untilEstablished(): Promise<this> {
    await this.until(() => this.up || this.reason !== undefined);
    if (!this.up) throw new Error(`closed instead: ${JSON.stringify(this.reason)}`);
    return this;
  }

  async untilClosed(): Promise<QuicCloseReason> {
    await this.until(() => this.reason !== undefined);
    if (this.reason === undefined) throw new Error("closed has no reason");
    return this.reason;
  }

  bytesOf(stream: number): Buffer {
    return Buffer.concat(this.streams.get(stream) ?? []);
  }

  countOf(stream: number): number {
    return (this.streams.get(stream) ?? []).reduce((sum, bytes) => sum + bytes.length, 0);
  }

  established(): void {
    this.up = true;
    this.note("established");
  }

  stream(stream: number, bytes: Uint8Array): void {
    const known = this.streams.get(stream) ?? [];
    known.push(Buffer.from(bytes));
    this.streams.set(stream, known);
    this.note("stream");
  }

  streamEnded(stream: number): void {
    this.ended.push(stream);
    this.note("streamEnded");
  }

  datagram(bytes: Uint8Array): void {
    this.datagrams.push(Buffer.from(bytes));
    this.note("datagram");
  }

  turn(): void {
    this.turns += 1;
    this.note("turn");
  }

  writable(): void {
    this.writables += 1;
    this.note("writable");
  }

  closed(reason: QuicCloseReason): void {
    this.reason = reason;
    this.note("closed");
  }

  private note(event: string): void {
    if (this.heard.at(-1) !== event) this.heard.push(event);
    this.onEvent?.();
    for (const waiting of this.waiting) {
      if (!waiting.ready()) continue;
      this.waiting.delete(waiting);
      waiting.resolve();
    }
  }
}
