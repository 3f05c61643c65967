import type { ServerResponse } from "node:http";
import type { Change, Clock, ControlStore, ControlWatch, Revision, Timer } from "@atlasnet/core";
import { errorAnswer, INTERNAL } from "./api-error.ts";
import type { EventSource } from "./route.ts";

/** Unsent bytes at which a slow reader is cut off; it goes on behind the last event that it got. */
export const MAX_STREAM_BACKLOG_BYTES = 8 * 1024 * 1024;
/** A comment is sent so often, so that both ends learn of a connection that is gone. */
export const STREAM_BEAT_MS = 10_000;
/** A stream ends then, and its reader comes again with its token: one that was revoked reads no longer than this. */
const MAX_STREAM_MS = 3_600_000;

/**
 * One watch as server-sent events:
 *
 * | event | data |
 * |---|---|
 * | `began` | `{revision}`: where the watch begins |
 * | `changed` | `{revision, changes}`; without changes only the revision has moved |
 * | `compacted` | `{revision}`: read anew, then watch from there. Last event. |
 * | `failed` | `{code, message, hint}`. Last event. |
 *
 * The id of an event is its revision, so that `last-event-id` goes on without a gap.
 */
export class EventStream {
  private readonly response: ServerResponse;
  private readonly clock: Clock;
  private readonly onEnd: () => void;
  private readonly end: Timer;
  private beat: Timer | undefined;
  private watch: ControlWatch | undefined;
  private ended = false;
  /** Beyond what the reader was told. */
  private passed: Revision | undefined;

  constructor(
    { headers }: { readonly headers: { readonly [name: string]: string } },
    dependencies: { response: ServerResponse; clock: Clock; onEnd: () => void },
  ) {
    const { response, clock, onEnd } = dependencies;
    this.response = response;
    this.clock = clock;
    this.onEnd = onEnd;
    response.on("close", () => this.close());
    response.on("error", () => this.close());
    response.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    this.end = clock.setTimer(MAX_STREAM_MS, () => this.close());
    this.beatLater();
  }

  /** Once. `after` is where it begins. */
  start(store: ControlStore, source: EventSource, after: Revision): void {
    this.send("began", { revision: after }, after);
    this.watch = store.watch(
      { ...source.request, after },
      {
        changed: ({ revision, changes }) => {
          const told = changes.map((change: Change) => source.present(change));
          const data = { revision, changes: told.filter((change) => change !== undefined) };
          // What is not told still moves the reader's revision, with the next beat.
          if (data.changes.length > 0 || changes.length === 0) this.send("changed", data, revision);
          else this.passed = revision;
        },
        compacted: ({ revision }) => {
          this.send("compacted", { revision }, revision);
          this.close();
        },
        failed: (error) => {
          this.send("failed", (errorAnswer(error) ?? INTERNAL).body);
          this.close();
        },
      },
    );
    if (this.ended) this.watch.close();
  }

  /** Idempotent. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.end.cancel();
    this.beat?.cancel();
    this.watch?.close();
    this.response.end();
    this.onEnd();
  }

  private send(event: string, data: unknown, id?: Revision): void {
    this.passed = undefined;
    const head = id === undefined ? "" : `id: ${id}\n`;
    this.write(`event: ${event}\n${head}data: ${JSON.stringify(data)}\n\n`);
  }

  private write(text: string): void {
    if (this.ended) return;
    this.response.write(text);
    if (this.response.writableLength <= MAX_STREAM_BACKLOG_BYTES) return;
    this.response.destroy();
    this.close();
  }

  private beatLater(): void {
    this.beat = this.clock.setTimer(STREAM_BEAT_MS, () => {
      if (this.passed === undefined) this.write(":\n\n");
      else this.send("changed", { revision: this.passed, changes: [] }, this.passed);
      if (!this.ended) this.beatLater();
    });
  }
}
