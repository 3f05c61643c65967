import { ControlError, type ControlWatch, type WatchEvents } from "@atlasnet/core";
import { stoppedError } from "./store-errors.ts";
import type { HubWatch } from "./watch-hub.ts";

/** Calls the events of a watch as they come, never from within the call that began it. */
export class PushedWatch implements ControlWatch {
  private readonly events: WatchEvents;
  private watch: HubWatch | undefined;
  private closed = false;
  private scheduled = false;

  constructor(events: WatchEvents, begin: (wake: () => void) => HubWatch) {
    this.events = events;
    try {
      this.watch = begin(() => this.schedule());
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      queueMicrotask(() => {
        if (!this.closed) events.failed(error);
      });
    }
    this.schedule();
  }

  close(): void {
    this.closed = true;
    this.watch?.close();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => this.deliver());
  }

  private deliver(): void {
    this.scheduled = false;
    // What waits is bounded, so this ends.
    while (!this.closed) {
      const event = this.watch?.next();
      if (event === undefined) return;
      if (event.type === "changed") this.events.changed(event);
      else if (event.type === "compacted") this.events.compacted(event);
      else this.events.failed(stoppedError());
    }
  }
}
