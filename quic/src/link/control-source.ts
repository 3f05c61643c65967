import type { ByteSource } from "./channel-ring.ts";
import { MAX_TAKEN_BYTES, MAX_TAKEN_COST, writeTaken } from "./control-frames.ts";
import type { InChannel } from "./in-channel.ts";

/** What goes over the control stream: greetings, then reports of what was taken. */
export class ControlSource implements ByteSource {
  private greetings: Uint8Array[] = [];
  private readonly taken = new Set<InChannel>();
  /** Cost in `taken`. */
  unreported = 0;
  /** Reports wait for this: they leave together with other bytes, or when they are due. */
  due = false;

  get isEmpty(): boolean {
    return this.greetings.length === 0 && !(this.due && this.taken.size > 0);
  }

  greet(frame: Uint8Array): void {
    this.greetings.push(frame);
  }

  took(channel: InChannel, cost: number): void {
    this.taken.add(channel);
    this.unreported += cost;
  }

  fill(out: Uint8Array): number {
    let at = 0;
    for (const greeting of this.greetings) {
      out.set(greeting, at);
      at += greeting.length;
    }
    this.greetings = [];
    if (!this.due) return at;
    for (const channel of this.taken) {
      while (channel.unreported > 0 && channel.number !== undefined) {
        if (at + MAX_TAKEN_BYTES > out.length) return at;
        const cost = Math.min(channel.unreported, MAX_TAKEN_COST);
        at = writeTaken(out, at, channel.number, cost);
        channel.unreported -= cost;
        this.unreported -= cost;
      }
      this.taken.delete(channel);
    }
    this.due = false;
    return at;
  }

  clear(): void {
    this.greetings = [];
    this.taken.clear();
    this.unreported = 0;
    this.due = false;
  }
}
