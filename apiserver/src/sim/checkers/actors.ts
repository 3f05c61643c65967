import {
  decodeRecord,
  isAlive,
  type KeyValue,
  nodeKey,
  type OwnerRecord,
  ownerKey,
} from "@atlasnet/core";
import type { History } from "./history.ts";
import type { Violations } from "./violations.ts";

export interface Act {
  readonly node: string;
  readonly boot: string;
  readonly shard: string;
  readonly epoch: number;
}

/**
 * One actor per shard: whoever lets something out for a shard is its committed owner at that very moment, of all
 * clocks; so two never do at the same time. Epochs of what is let out only grow.
 */
export class Actors {
  private readonly newest = new Map<string, Act>();
  private readonly owners = new Map<string, { item: KeyValue; record: OwnerRecord | undefined }>();
  private readonly history: History;
  private readonly violations: Violations;
  acts = 0;

  constructor(history: History, violations: Violations) {
    this.history = history;
    this.violations = violations;
  }

  act(act: Act): void {
    const { shard, node, boot, epoch } = act;
    this.acts += 1;
    const before = this.newest.get(shard);
    if (before && (epoch < before.epoch || (epoch === before.epoch && boot !== before.boot)))
      this.violations.add(
        "epochs grow",
        `${boot} acts for ${shard} at epoch ${epoch}, after ${before.boot} did at ${before.epoch}`,
      );
    this.newest.set(shard, act);
    const owner = this.owner(shard);
    const is = owner?.record;
    if (is?.state !== "owned" || is.boot !== boot || owner?.item.modified !== epoch) {
      this.violations.add(
        "one actor per shard",
        `${boot} acts for ${shard} at epoch ${epoch}; its owner is ${is?.boot ?? "nobody"} (${is?.state}) at ${owner?.item.modified}`,
      );
      return;
    }
    const record = this.history.item(nodeKey(node));
    const decoded = record && decodeRecord("node", record.value);
    if (!decoded?.ok || !isAlive(decoded.record, boot))
      this.violations.add(
        "one actor per shard",
        `${boot} acts for ${shard}, and is ${decoded?.ok ? `${decoded.record.state} (${decoded.record.boot})` : "unknown"}: others may have it`,
      );
  }

  private owner(shard: string) {
    const item = this.history.item(ownerKey(shard));
    if (item === undefined) return undefined;
    const known = this.owners.get(shard);
    if (known?.item === item) return known;
    const decoded = decodeRecord("owner", item.value);
    const owner = { item, record: decoded.ok ? decoded.record : undefined };
    this.owners.set(shard, owner);
    return owner;
  }
}
