import type { QuicConnection } from "../transport/quic-connection.ts";
import type { ByteSource } from "./channel-ring.ts";

export interface StreamWriterOptions {
  /** First byte of the stream. */
  readonly kind: number;
  readonly urgency: number;
}

export interface StreamWriterDependencies {
  readonly connection: QuicConnection;
  readonly source: ByteSource;
  /** Where bytes are gathered; shared by all writers, used within one call. */
  readonly scratch: Uint8Array;
}

/** What a round of a writer came to. `waiting`: its source has bytes, but gives none now. */
export type Round = "empty" | "waiting" | "blocked" | "more";

/** One stream of ours: asks its source for bytes and hands them to the transport, many frames at a time. */
export class StreamWriter {
  private readonly options: StreamWriterOptions;
  private readonly connection: QuicConnection;
  private readonly source: ByteSource;
  private readonly scratch: Uint8Array;
  private stream: number | undefined;
  /** What the transport did not take; at most the size of the scratch. */
  private rest: Uint8Array | undefined;
  /** The transport took less than all: it says when to go on. */
  private isBlocked = false;

  constructor(options: StreamWriterOptions, dependencies: StreamWriterDependencies) {
    this.options = options;
    this.connection = dependencies.connection;
    this.source = dependencies.source;
    this.scratch = dependencies.scratch;
  }

  get hasWork(): boolean {
    return this.rest !== undefined || !this.source.isEmpty;
  }

  /** The transport may take more. */
  unblock(): void {
    this.isBlocked = false;
  }

  /** One call of the transport at most. */
  round(): Round {
    if (this.isBlocked) return "blocked";
    const { connection, scratch } = this;
    let bytes = this.rest;
    if (bytes === undefined) {
      if (this.source.isEmpty) return "empty";
      // A stream begins with its kind.
      const start = this.stream === undefined ? 1 : 0;
      const end = start + this.source.fill(start === 0 ? scratch : scratch.subarray(start));
      if (end === start) return "waiting";
      if (this.stream === undefined) {
        this.stream = connection.openStream(this.options.urgency);
        scratch[0] = this.options.kind;
      }
      bytes = scratch.subarray(0, end);
    }
    if (this.stream === undefined) return "blocked";
    const taken = connection.write(this.stream, bytes);
    if (taken < bytes.length) {
      // The scratch is the next writer's.
      this.rest = bytes === this.rest ? bytes.subarray(taken) : bytes.slice(taken);
      this.isBlocked = true;
      return "blocked";
    }
    this.rest = undefined;
    return this.source.isEmpty ? "empty" : "more";
  }

  drop(): void {
    this.rest = undefined;
  }
}
