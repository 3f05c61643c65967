import type { Conditions } from "./conditions.ts";
import { Draw, draw, type PathKey } from "./draw.ts";
import { LossChain } from "./loss-chain.ts";
import { RateQueue } from "./rate-queue.ts";

/** What becomes of one packet. */
export interface Fate {
  /** For each copy that arrives: after how many ms. Empty when none does. */
  readonly delaysMs: readonly number[];
  /** Why none arrives: on the line, or because the queue in front of it was full. */
  readonly dropped: "loss" | "queue" | undefined;
  readonly reordered: boolean;
}

/**
 * One direction of one flow of datagrams. The bottleneck comes first, then the line, which loses,
 * delays, reorders and duplicates.
 *
 * Without a rate the fate of the n-th packet is a function of the conditions (their seed among
 * them), the path and n: neither time nor size nor other flows have a say. With a rate its wait in the
 * queue, and whether the queue is full, depend on the times and sizes of those before it, too;
 * all that the line does to it stays as it was.
 */
export class PacketPath {
  private readonly path: PathKey;
  private readonly chain: LossChain;
  private readonly queue = new RateQueue();
  private n = 0;

  constructor(path: PathKey) {
    this.path = path;
    this.chain = new LossChain(path);
  }

  /** The fate of the next packet. `nowMs` never goes back. */
  next(bytes: number, nowMs: number, conditions: Conditions): Fate {
    const n = this.n++;
    const { seed } = conditions;
    const lost = this.chain.next(n, conditions);
    const waitMs = this.queue.offer(bytes, nowMs, conditions);
    if (waitMs === undefined) return { delaysMs: [], dropped: "queue", reordered: false };
    if (lost) return { delaysMs: [], dropped: "loss", reordered: false };
    const reordered = draw(seed, this.path, n, Draw.reorder) < conditions.reorder;
    const delaysMs = [waitMs + (reordered ? 0 : lineDelayMs(this.path, n, Draw.delay, conditions))];
    if (draw(seed, this.path, n, Draw.duplicate) < conditions.duplicate)
      delaysMs.push(waitMs + lineDelayMs(this.path, n, Draw.delayOfCopy, conditions));
    return { delaysMs, dropped: undefined, reordered };
  }
}

/** Delay with jitter of one packet, in ms. */
export function lineDelayMs(
  path: PathKey,
  n: number,
  purpose: number,
  { seed, delayMs, jitterMs }: Conditions,
): number {
  if (jitterMs === 0) return delayMs;
  return delayMs + (2 * draw(seed, path, n, purpose) - 1) * jitterMs;
}
