import type { Conditions } from "./conditions.ts";
import { Draw, draw, type PathKey } from "./draw.ts";
import { LossChain } from "./loss-chain.ts";
import { lineDelayMs } from "./packet-path.ts";
import { RateQueue } from "./rate-queue.ts";

/** Shortest wait of a TCP sender before it sends again what was lost (Linux's minimum). */
export const MIN_RETRANSMIT_MS = 200;
/**
 * The wait doubles with every further loss of the same segment, up to this (or the first wait where
 * that is longer). Real TCP goes on to minutes; here a cut is over soon after it is over.
 */
export const MAX_RETRANSMIT_MS = 2_000;

/** How long a sender waits before the first retransmission, in ms. */
export function retransmitMs({ delayMs }: Conditions): number {
  return Math.max(MIN_RETRANSMIT_MS, 2 * delayMs);
}

interface Segment<T> {
  readonly item: T;
  readonly bytes: number;
  readonly n: number;
  /** Arrives then; undefined while every copy of it was lost. */
  dueAt: number | undefined;
  /** The next copy is sent then. */
  resendAt: number;
  resent: number;
}

/**
 * One direction of one TCP connection: what the application sees of a bad network. Nothing is lost,
 * doubled or out of order. A lost segment stalls itself and all behind it for a retransmission
 * timeout, as often as it is lost again; jitter delays and never overtakes; a full bottleneck makes
 * the sender wait (`backlog` tells it).
 *
 * Whether the n-th segment is lost, and its delay, is a function of the conditions, the path and n,
 * as for datagrams. What the n-th segment holds depends on how the systems at both ends cut the stream.
 */
export class StreamPath<T> {
  /** Bytes on the way. */
  heldBytes = 0;
  private readonly path: PathKey;
  private readonly chain: LossChain;
  private readonly queue = new RateQueue();
  private readonly segments: Segment<T>[] = [];
  private n = 0;

  constructor(path: PathKey) {
    this.path = path;
    this.chain = new LossChain(path);
  }

  /** Bytes at the bottleneck. */
  backlog(nowMs: number, conditions: Conditions): number {
    return this.queue.backlog(nowMs, conditions);
  }

  /** Sends the next segment; `item` stands for it. True when its first copy was lost. */
  push(item: T, bytes: number, nowMs: number, conditions: Conditions): boolean {
    const n = this.n++;
    const sentAt = nowMs + this.queue.add(bytes, nowMs, conditions);
    const lost = this.chain.next(n, conditions);
    this.heldBytes += bytes;
    this.segments.push({
      item,
      bytes,
      n,
      dueAt: lost ? undefined : sentAt + lineDelayMs(this.path, n, Draw.delay, conditions),
      resendAt: sentAt + retransmitMs(conditions),
      resent: 0,
    });
    return lost;
  }

  /** Takes the first segment when it has arrived. */
  shift(nowMs: number, conditions: Conditions): { readonly item: T } | undefined {
    const [first] = this.segments;
    if (first === undefined) return undefined;
    while (first.dueAt === undefined && first.resendAt <= nowMs) this.resend(first, conditions);
    if (first.dueAt === undefined || first.dueAt > nowMs) return undefined;
    this.segments.shift();
    this.heldBytes -= first.bytes;
    return first;
  }

  /** When `shift` may have an answer; undefined when nothing is on the way. */
  get wakeAt(): number | undefined {
    const [first] = this.segments;
    return first === undefined ? undefined : (first.dueAt ?? first.resendAt);
  }

  /**
   * Retransmissions are judged when a segment is first in line, so that those of a long queue behind a
   * cut meet the network as it is by then.
   */
  private resend(segment: Segment<T>, conditions: Conditions): void {
    segment.resent += 1;
    const { n, resent } = segment;
    if (draw(conditions.seed, this.path, n, Draw.lossAgain + resent) >= conditions.loss) {
      segment.dueAt = segment.resendAt + lineDelayMs(this.path, n, Draw.delay, conditions);
      return;
    }
    const first = retransmitMs(conditions);
    segment.resendAt += Math.min(first * 2 ** resent, Math.max(first, MAX_RETRANSMIT_MS));
  }
}
