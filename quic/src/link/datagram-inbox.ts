import type { LinkClosed, LinkLimits, LinkStats } from "@atlasnet/core";

/** Datagrams that wait for the end of their turn. */
export class DatagramInbox {
  handler: ((bytes: Uint8Array) => void) | undefined;
  private readonly limits: LinkLimits;
  private readonly stats: LinkStats;
  private waiting: Uint8Array[] = [];

  constructor(limits: LinkLimits, { stats }: { readonly stats: LinkStats }) {
    this.limits = limits;
    this.stats = stats;
  }

  /** Returns why the link has to end, or undefined. */
  push(bytes: Uint8Array): LinkClosed | undefined {
    const { maxDatagramBytes, maxQueuedDatagrams } = this.limits;
    if (bytes.length > maxDatagramBytes)
      return {
        code: "bad-message",
        detail: `a datagram of ${bytes.length} bytes; ${maxDatagramBytes} are allowed`,
      };
    if (this.handler === undefined || this.waiting.length >= maxQueuedDatagrams)
      this.stats.droppedDatagrams += 1;
    else this.waiting.push(bytes);
    return undefined;
  }

  /** `call` runs each delivery and decides whether it still comes to that. */
  deliver(call: (handle: () => void) => void): void {
    if (this.waiting.length === 0) return;
    const batch = this.waiting;
    this.waiting = [];
    for (const bytes of batch) call(() => this.handler?.(bytes));
  }

  drop(): void {
    this.waiting = [];
  }
}
