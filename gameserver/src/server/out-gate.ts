/** Held for one shard while nothing may leave the process; above it the shard is given up without output. */
export const MAX_HELD_BYTES_PER_SHARD = 8 * 1024 * 1024;
/** Of all shards together; whose message crosses it is given up. */
export const MAX_HELD_BYTES = 128 * 1024 * 1024;
/** What a held message costs beside its bytes. */
const HELD_OVERHEAD_BYTES = 128;

export interface OutGateOptions {
  readonly maxShardBytes?: number;
  readonly maxBytes?: number;
}

export interface OutGateDependencies {
  /** Asked before every release; see ControlPlane. */
  mayAct(): boolean;
  /** A shard's output does not fit: none of it leaves any more, and the shard cannot go on. */
  overflowed(shard: string): void;
}

interface Held {
  readonly bytes: number;
  readonly release: () => void;
}

/**
 * What leaves a gameserver leaves by here (design rule 5.1): nothing while the node may not act. What comes
 * meanwhile is held in its order and leaves afterwards, if the node still is who it was; otherwise
 * it is thrown away.
 */
export class OutGate {
  private readonly maxShardBytes: number;
  private readonly maxBytes: number;
  private readonly dependencies: OutGateDependencies;
  private readonly held = new Map<string, { bytes: number; items: Held[] }>();
  private readonly spoiled = new Set<string>();
  private state: "open" | "sealed" | "lost" = "open";
  private bytes = 0;

  constructor(
    { maxShardBytes = MAX_HELD_BYTES_PER_SHARD, maxBytes = MAX_HELD_BYTES }: OutGateOptions,
    dependencies: OutGateDependencies,
  ) {
    this.maxShardBytes = maxShardBytes;
    this.maxBytes = maxBytes;
    this.dependencies = dependencies;
  }

  get heldBytes(): number {
    return this.bytes;
  }

  get isOpen(): boolean {
    return this.state === "open" && this.dependencies.mayAct();
  }

  /** Lets something out now or, in order, later; `bytes` is about its size. */
  send(shard: string, bytes: number, release: () => void): void {
    if (this.state === "lost" || this.spoiled.has(shard)) return;
    if (this.isOpen && this.flush(shard)) return release();
    this.hold(shard, { bytes: bytes + HELD_OVERHEAD_BYTES, release });
  }

  /** The lease does not hold. */
  seal(): void {
    if (this.state === "open") this.state = "sealed";
  }

  /** The lease holds again, under the same registration, and what was held may go. */
  unseal(): void {
    if (this.state === "lost") return;
    this.state = "open";
    for (const shard of [...this.held.keys()]) if (!this.flush(shard)) return;
  }

  /** The registration is gone, and with it whatever was to leave under it; until `reset`. */
  lose(): void {
    this.state = "lost";
    for (const shard of [...this.held.keys()]) this.forget(shard);
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
  }

  /** Releases what is held of a shard. False when that came to an end before it was done. */
  private flush(shard: string): boolean {
    const queue = this.held.get(shard);
    if (queue === undefined) return true;
    let released = 0;
    for (const item of queue.items) {
      if (!this.dependencies.mayAct()) break;
      released += 1;
      queue.bytes -= item.bytes;
      this.bytes -= item.bytes;
      item.release();
    }
    queue.items.splice(0, released);
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
  }
}
