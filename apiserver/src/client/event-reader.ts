import { StringDecoder } from "node:string_decoder";
import { ControlError } from "@atlasnet/core";
import { ApiError } from "../http/api-error.ts";
import { type ApiClient, answeredError, isRetried } from "./api-client.ts";
import { EventParser, type ServerEvent } from "./event-parser.ts";

export interface EventReaderOptions {
  readonly path: string;
  readonly query: { readonly [name: string]: string | undefined };
  /** Changes behind this revision; absent: from now on. */
  readonly after?: number | undefined;
}

export interface EventReaderEvents {
  /** The data of an event `changed`, checked by whoever gets it. @throws what ends the reading with `failed` */
  changed(data: unknown, revision: number): void;
  compacted(revision: number): void;
  failed(error: Error): void;
}

/** Apiservers send something at least every 10 s; who is silent for so long is gone. */
const IDLE_MS = 35_000;
const MIN_PAUSE_MS = 20;
const MAX_PAUSE_MS = 2_000;

/**
 * Reads a stream of events and goes on behind the last one, at another apiserver too, until it is closed or
 * there is no sense in it any more. The revision where "from now on" began is the first thing that is told, so
 * from then on nothing is missed.
 */
export class EventReader {
  private readonly options: EventReaderOptions;
  private readonly client: ApiClient;
  private readonly events: EventReaderEvents;
  private readonly closing = new AbortController();
  private after: number | undefined;
  private at = 0;

  constructor(
    options: EventReaderOptions,
    { client, events }: { client: ApiClient; events: EventReaderEvents },
  ) {
    this.options = options;
    this.client = client;
    this.events = events;
    this.after = options.after;
    void this.run();
  }

  /** No event comes after this. Idempotent. */
  close(): void {
    this.closing.abort();
  }

  private async run(): Promise<void> {
    let pauseMs = MIN_PAUSE_MS;
    let full = 0;
    while (!this.closing.signal.aborted) {
      const before = this.after;
      try {
        await this.read();
      } catch (error) {
        if (this.closing.signal.aborted) return;
        // An apiserver that has too many may have a neighbour that has not.
        const tooMany = error instanceof ControlError && error.code === "too-many-watches";
        full = tooMany ? full + 1 : 0;
        if (!isRetried(error) && !(tooMany && full < this.client.addresses.length))
          return this.fail(error);
      }
      if (this.closing.signal.aborted) return;
      this.at += 1;
      pauseMs = this.after === before ? Math.min(pauseMs * 2, MAX_PAUSE_MS) : MIN_PAUSE_MS;
      await this.client.pause(pauseMs);
    }
  }

  /** One stream, to its end. @throws whatever ended it out of order */
  private async read(): Promise<void> {
    const { path, query } = this.options;
    const after = this.after === undefined ? {} : { after: this.after };
    const message = await this.client.open(
      { method: "GET", path, query: { ...query, ...after } },
      { at: this.at, idleMs: IDLE_MS, signal: this.closing.signal },
    );
    const decoder = new StringDecoder("utf8");
    const parser = new EventParser();
    for await (const chunk of message) {
      if (!Buffer.isBuffer(chunk)) throw new Error("bytes are read");
      for (const event of parser.push(decoder.write(chunk))) {
        if (this.closing.signal.aborted) return;
        this.take(event);
      }
    }
  }

  private take({ event, data }: ServerEvent): void {
    const given: unknown = JSON.parse(data);
    if (event === "failed") throw answeredError(given) ?? new Error("the watch failed");
    const revision = revisionOf(given);
    if (event === "began") this.after ??= revision;
    else if (event === "changed") {
      this.after = revision;
      this.events.changed(given, revision);
    } else if (event === "compacted") {
      this.close();
      this.events.compacted(revision);
    }
  }

  private fail(error: unknown): void {
    this.close();
    this.events.failed(error instanceof Error ? error : new Error(String(error)));
  }
}

function revisionOf(data: unknown): number {
  if (typeof data === "object" && data !== null && "revision" in data) {
    const { revision } = data;
    if (typeof revision === "number" && Number.isSafeInteger(revision)) return revision;
  }
  throw new ApiError("internal", "an apiserver sent an event without a revision");
}
