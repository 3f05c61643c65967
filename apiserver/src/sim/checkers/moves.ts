import {
  decodeRecord,
  migrationKey,
  nodeKey,
  parseRecordKey,
  type ShardRecord,
  worldKey,
} from "@atlasnet/core";
import type { History, KeyChange } from "./history.ts";
import type { Violations } from "./violations.ts";

/** Of the time after which an unclaimed shard may be asked for elsewhere: clocks differ, and so does when they begin. */
const CLAIM_SLACK = 0.9;

/**
 * Nothing moves twice what one move settles: who asks another node for a shard has a reason that is newer than the
 * last time somebody was asked.
 */
export class Moves {
  private readonly asked = new Map<string, { revision: number; at: number }>();
  private readonly history: History;
  private readonly violations: Violations;
  private readonly options: { readonly claimMs: number; readonly now: () => number };
  moves = 0;
  /** Migrations that ended in a switch. */
  migrated = 0;

  constructor(
    history: History,
    violations: Violations,
    options: { readonly claimMs: number; readonly now: () => number },
  ) {
    this.history = history;
    this.violations = violations;
    this.options = options;
  }

  changed({ key, before, after, revision }: KeyChange): void {
    const parsed = parseRecordKey(key);
    if (parsed?.kind === "moved" && after !== undefined) this.countMoved(after.value);
    if (parsed?.kind !== "shard") return;
    const was = before && shardOf(before.value);
    const is = after && shardOf(after.value);
    const last = this.asked.get(parsed.shard);
    const at = this.options.now();
    if (was?.wanted !== is?.wanted) this.asked.set(parsed.shard, { revision, at });
    if (was?.wanted === undefined || is?.wanted === undefined || last === undefined) return;
    if (was.wanted === is.wanted) return;
    this.moves += 1;
    this.checkOnItsWay(parsed.shard, is.wanted);
    // Balance has a pace and a hysteresis of its own; what has an owner it leaves alone here.
    if (is.reason === "balanced") return;
    if (is.reason === "not-claimed" && at - last.at >= this.options.claimMs * CLAIM_SLACK) return;
    const owner = this.history.item(`${key}/owner`);
    const decoded = owner && decodeRecord("owner", owner.value);
    const causes = [nodeKey(was.wanted), worldKey(parsed.world)];
    if (decoded?.ok) causes.push(nodeKey(decoded.record.node));
    if (causes.some((cause) => this.history.changedSince(cause, last.revision))) return;
    this.violations.add(
      "no move without a cause",
      `${parsed.shard} was to be at ${was.wanted} since revision ${last.revision}, and shall be at ${is.wanted} (${is.reason}) though nothing has changed`,
    );
  }

  private countMoved(value: Uint8Array): void {
    const decoded = decodeRecord("moved", value);
    if (decoded.ok && decoded.record.outcome === "moved") this.migrated += 1;
  }

  /**
   * What is on its way is left alone: only the switch asks somebody else for the shard, the target, and that ends
   * the migration by the same transaction.
   */
  private checkOnItsWay(shard: string, wanted: string): void {
    const item = this.history.item(migrationKey(shard));
    const decoded = item && decodeRecord("migration", item.value);
    if (decoded?.ok && decoded.record.to !== wanted)
      this.violations.add(
        "what moves is left alone",
        `${shard} is on its way to ${decoded.record.to}, and ${wanted} is asked for it`,
      );
  }
}

function shardOf(value: Uint8Array): ShardRecord | undefined {
  const decoded = decodeRecord("shard", value);
  return decoded.ok ? decoded.record : undefined;
}
