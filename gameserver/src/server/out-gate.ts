/** Held for one shard while nothing may leave the process; above it the shard is given up without output. */
export const MAX_HELD_BYTES_PER_SHARD = 8 * 1024 * 1024;
/** Of all shards together; whose message crosses it is given up. */
export const MAX_HELD_BYTES = 128 * 1024 * 1024;
/** A mirrored shard makes no tick while more than this waits for its mirror, until half of it is gone. */
export const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** What a held message costs beside its bytes. */
const HELD_OVERHEAD_BYTES = 128;

export interface OutGateOptions {
  readonly maxShardBytes?: number;
  readonly maxBytes?: number;
  readonly maxWaitingBytes?: number;
}

export interface OutGateDependencies {
  /** Asked before every release; see ControlPlane. */
  mayAct(): boolean;
  /** A shard's output does not fit: none of it leaves any more, and the shard cannot go on. */
  overflowed(shard: string): void;
  /** So much of a mirrored shard waits for its mirror that it is to make no tick; and that it may again. */
  crowded?(shard: string, isCrowded: boolean): void;
  /** Ms, on a clock that does not go back. */
  now?(): number;
}

interface Held {
  readonly bytes: number;
  /** The last tick that it may tell of. */
  readonly tick: number;
  /** Since when it is held. */
  readonly at: number;
  readonly release: () => void;
}

/** A shard whose output waits for its mirror. */
interface Mirrored {
  /** The mirror has what ticks up to this one did. */
  released: number;
  isCrowded: boolean;
  /** What is released needs no lease. */
  isUnleased: boolean;
}

/**
 * What leaves a gameserver leaves by here (design rule 5.1): nothing while the node may not act. What comes
 * meanwhile is held in its order and leaves afterwards, if the node still is who it was; otherwise
 * it is thrown away. What a mirrored shard says waits for its mirror as well (rule 5.5). Where that mirror is unleased,
 * its word is enough: what is of a tick that it has leaves although the node may not act.
 */
export class OutGate {
  private readonly maxShardBytes: number;
  private readonly maxBytes: number;
  private readonly maxWaitingBytes: number;
  private readonly dependencies: OutGateDependencies;
  private readonly held = new Map<string, { bytes: number; items: Held[] }>();
  private readonly spoiled = new Set<string>();
  private readonly mirrored = new Map<string, Mirrored>();
  /** What was released for mirrored shards after a wait, and how long that was together. */
  readonly waits = { count: 0, ms: 0 };
  private state: "open" | "sealed" | "lost" = "open";
  private bytes = 0;

  constructor(
    {
      maxShardBytes = MAX_HELD_BYTES_PER_SHARD,
      maxBytes = MAX_HELD_BYTES,
      maxWaitingBytes = MAX_WAITING_BYTES,
    }: OutGateOptions,
    dependencies: OutGateDependencies,
  ) {
    this.maxShardBytes = maxShardBytes;
    this.maxBytes = maxBytes;
    this.maxWaitingBytes = maxWaitingBytes;
    this.dependencies = dependencies;
  }

  get heldBytes(): number {
    return this.bytes;
  }

  get isOpen(): boolean {
    return this.state === "open" && this.dependencies.mayAct();
  }

  /**
   * Lets something out now or, in order, later; `bytes` is about its size. `tick`: the last one of the shard that it may
   * tell of; 0: of none.
   */
  send(shard: string, bytes: number, release: () => void, tick = 0): void {
    if (this.state === "lost" || this.spoiled.has(shard)) return;
    const mirrored = this.mirrored.get(shard);
    const isReleased = tick <= (mirrored?.released ?? Number.POSITIVE_INFINITY);
    if (isReleased && this.mayLeave(mirrored, tick) && this.flush(shard)) return release();
    const at = this.dependencies.now?.() ?? 0;
    this.hold(shard, { bytes: bytes + HELD_OVERHEAD_BYTES, tick, at, release });
  }

  /** From here on, what a shard says waits until `release` names its tick or a later one. */
  gate(shard: string): void {
    this.mirrored.set(shard, { released: 0, isCrowded: false, isUnleased: false });
  }

  /** What is released leaves without a lease, too; or that holds no more. */
  actUnleased(shard: string, holds: boolean): void {
    const mirrored = this.mirrored.get(shard);
    if (mirrored === undefined) return;
    mirrored.isUnleased = holds;
    this.flush(shard);
  }

  /** Shards that act without a lease. */
  get unleased(): readonly string[] {
    return [...this.mirrored].filter(([, { isUnleased }]) => isUnleased).map(([shard]) => shard);
  }

  isGated(shard: string): boolean {
    return this.mirrored.has(shard);
  }

  /** The mirror has what ticks up to this one did. */
  release(shard: string, tick: number): void {
    const mirrored = this.mirrored.get(shard);
    if (mirrored === undefined || tick <= mirrored.released) return;
    mirrored.released = tick;
    this.flush(shard);
  }

  /** Nothing waits for a mirror any more. */
  ungate(shard: string): void {
    const mirrored = this.mirrored.get(shard);
    if (mirrored === undefined) return;
    mirrored.released = Number.POSITIVE_INFINITY;
    // Nobody's word stands in for the lease any more.
    mirrored.isUnleased = false;
    this.flush(shard);
    this.mirrored.delete(shard);
    if (mirrored.isCrowded) this.dependencies.crowded?.(shard, false);
  }

  /** The lease does not hold. */
  seal(): void {
    if (this.state === "open") this.state = "sealed";
  }

  /** The lease holds again, under the same registration, and what was held may go. */
  unseal(): void {
    if (this.state === "lost") return;
    this.state = "open";
    for (const shard of [...this.held.keys()])
      if (!this.flush(shard) && !this.dependencies.mayAct()) return;
  }

  /** The registration is gone, and with it whatever was to leave under it; until `reset`. */
  lose(): void {
    this.state = "lost";
    for (const shard of [...this.held.keys()]) this.forget(shard);
    this.mirrored.clear();
  }

  /** Nothing of the lost registration is left. */
  reset(): void {
    this.state = "open";
    this.spoiled.clear();
  }

  /** A shard runs no more: what it left behind does not leave. */
  forget(shard: string): void {
    this.bytes -= this.held.get(shard)?.bytes ?? 0;
    this.held.delete(shard);
    this.spoiled.delete(shard);
    this.mirrored.delete(shard);
  }

  /** Releases what is held of a shard. False when that came to an end before it was done. */
  private flush(shard: string): boolean {
    const queue = this.held.get(shard);
    if (queue === undefined) return true;
    const mirrored = this.mirrored.get(shard);
    const upTo = mirrored?.released ?? Number.POSITIVE_INFINITY;
    const now = this.dependencies.now?.() ?? 0;
    let released = 0;
    for (const item of queue.items) {
      if (item.tick > upTo || !this.mayLeave(mirrored, item.tick)) break;
      released += 1;
      this.waited(mirrored, now - item.at);
      queue.bytes -= item.bytes;
      this.bytes -= item.bytes;
      item.release();
    }
    queue.items.splice(0, released);
    this.noteCrowd(shard, queue.bytes);
    if (queue.items.length > 0) return false;
    this.held.delete(shard);
    return true;
  }

  private hold(shard: string, item: Held): void {
    const queue = this.held.get(shard) ?? { bytes: 0, items: [] };
    if (queue.bytes + item.bytes > this.maxShardBytes || this.bytes + item.bytes > this.maxBytes) {
      this.forget(shard);
      this.spoiled.add(shard);
      return this.dependencies.overflowed(shard);
    }
    this.held.set(shard, queue);
    queue.items.push(item);
    queue.bytes += item.bytes;
    this.bytes += item.bytes;
    this.noteCrowd(shard, queue.bytes);
  }

  /** No mirror answers for what is of no tick. */
  private mayLeave(mirrored: Mirrored | undefined, tick: number): boolean {
    if (this.isOpen) return true;
    return this.state !== "lost" && mirrored?.isUnleased === true && tick > 0;
  }

  private waited(mirrored: Mirrored | undefined, ms: number): void {
    if (mirrored === undefined) return;
    this.waits.count += 1;
    this.waits.ms += ms;
  }

  private noteCrowd(shard: string, bytes: number): void {
    const mirrored = this.mirrored.get(shard);
    if (mirrored === undefined) return;
    const bound = mirrored.isCrowded ? this.maxWaitingBytes / 2 : this.maxWaitingBytes;
    if (bytes > bound === mirrored.isCrowded) return;
    mirrored.isCrowded = !mirrored.isCrowded;
    this.dependencies.crowded?.(shard, mirrored.isCrowded);
  }
}
