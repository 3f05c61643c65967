import { decodeRecord, nodeKey, parseRecordKey, type ShardRecord, worldKey } from "@atlasnet/core";
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
    if (parsed?.kind !== "shard") return;
    const was = before && shardOf(before.value);
    const is = after && shardOf(after.value);
    const last = this.asked.get(parsed.shard);
    const at = this.options.now();
    if (was?.wanted !== is?.wanted) this.asked.set(parsed.shard, { revision, at });
    if (was?.wanted === undefined || is?.wanted === undefined || last === undefined) return;
    if (was.wanted === is.wanted) return;
    this.moves += 1;
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
}

function shardOf(value: Uint8Array): ShardRecord | undefined {
  const decoded = decodeRecord("shard", value);
  return decoded.ok ? decoded.record : undefined;
}
