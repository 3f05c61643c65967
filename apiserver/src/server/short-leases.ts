import {
  type Change,
  type Clock,
  decodeRecord,
  type KeyValue,
  type Logger,
  NODES,
  parseRecordKey,
} from "@atlasnet/core";
import { PrefixFollower } from "../leader/prefix-follower.ts";
import type { ReplicatedStore } from "../store/replicated-store.ts";

/** Consul frees the lock of a leader that died 10 to 20 s later, and only a leader renews leases. */
const LONGEST_FAILOVER_MS = 20_000;
/** Named in the warning; of more it says how many. */
const MAX_NAMED = 3;

export interface ShortLeasesDependencies {
  readonly store: Pick<ReplicatedStore, "range" | "watch">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The gameservers whose worlds would stand still when a leader dies, for their leases end before there is the next. */
export class ShortLeases {
  private readonly follower: PrefixFollower;
  private readonly nodes = new Map<string, number>();

  constructor(dependencies: ShortLeasesDependencies) {
    this.follower = new PrefixFollower(
      NODES,
      {
        replaced: ({ items }) => {
          this.nodes.clear();
          for (const item of items) this.put(item);
        },
        changed: (changes) => {
          for (const change of changes) this.change(change);
        },
      },
      dependencies,
    );
  }

  start(): void {
    this.follower.start();
  }

  stop(): void {
    this.follower.stop();
  }

  /** In one sentence for an operator; undefined: there are none. */
  get warning(): string | undefined {
    if (this.nodes.size === 0) return undefined;
    const named = [...this.nodes].slice(0, MAX_NAMED).map(([node, ms]) => `${node} (${ms} ms)`);
    const more = this.nodes.size - named.length;
    const who = `${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
    return `worlds of ${who} stand still when a leader dies, for Consul takes up to ${LONGEST_FAILOVER_MS} ms to let another one lead: give gameservers node.leaseMs = 30000`;
  }

  private change(change: Change): void {
    if (change.type === "put") this.put(change.item);
    else this.remove(change.key);
  }

  private put({ key, value }: KeyValue): void {
    const parsed = parseRecordKey(key);
    const decoded = decodeRecord("node", value);
    if (parsed?.kind !== "node" || !decoded.ok) return this.remove(key);
    const { role, state, leaseMs } = decoded.record;
    const isGone = state === "lost" || state === "stopped";
    if (role !== "gameserver" || isGone || leaseMs > LONGEST_FAILOVER_MS) return this.remove(key);
    this.nodes.set(parsed.node, leaseMs);
  }

  private remove(key: string): void {
    const parsed = parseRecordKey(key);
    if (parsed?.kind === "node") this.nodes.delete(parsed.node);
  }
}
