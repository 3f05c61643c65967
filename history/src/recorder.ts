import type { SessionStep } from "@atlasnet/client";
import { hexOf } from "@atlasnet/world";
import { hashMessage } from "./hash.ts";
import type { HistoryEvent, HistorySink, WorldAccount } from "./record.ts";

export interface RecorderOptions {
  /** The client's name in the history. */
  readonly client: string;
}

export interface RecorderDependencies {
  readonly sink: HistorySink;
  /** Milliseconds that do not go back. */
  readonly now: () => number;
}

/**
 * Records what one client does and gets. It keeps nothing itself: a message costs its hash and one record for the
 * sink. Hand `observe` to `join({ observe })` of the client SDK; each
 * join has a recorder of its own, and a name of its own in the history.
 */
export class SessionRecorder {
  private readonly client: string;
  private readonly sink: HistorySink;
  private readonly now: () => number;

  constructor({ client }: RecorderOptions, { sink, now }: RecorderDependencies) {
    this.client = client;
    this.sink = sink;
    this.now = now;
  }

  /** A field, so that it can be handed on as it is. */
  readonly observe = (step: SessionStep): void => this.record(eventOf(step));

  /** What the world said of itself, once the message that carries it was delivered. */
  account(account: WorldAccount): void {
    this.record({ type: "account", ...account });
  }

  private record(event: HistoryEvent): void {
    this.sink({ client: this.client, at: this.now(), event });
  }
}

function eventOf(step: SessionStep): HistoryEvent {
  switch (step.type) {
    case "queued":
      return { type: "queued", hash: hashMessage(step.index, step.payload) };
    case "sent":
    case "received":
    case "delivered": {
      const { type, seq, index, payload } = step;
      return { type, seq, hash: hashMessage(index, payload) };
    }
    case "hello":
      return { ...step, stream: hexOf(step.stream), timeline: step.timeline ?? null };
    default:
      return step;
  }
}
