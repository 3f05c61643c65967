import type { NodeEntry } from "./entries.ts";
import type { Intent } from "./intents.ts";
import type { PlacementSettings } from "./settings.ts";
import type { ClusterView } from "./view.ts";

/** Losses proposed in one step. */
const MAX_AT_ONCE = 64;
/** What was proposed without an answer, or failed, is proposed again after this time, in ms. */
const AGAIN_MS = 1000;

/**
 * Nodes whose lease has run out. A leader declares none lost before one full lease has passed under it, since
 * the leader before may have granted one just then. From the proposal of a loss until its
 * decision, no renewal of the node counts.
 */
export class LostNodes {
  private readonly view: ClusterView;
  private readonly settings: Pick<PlacementSettings, "leaseMarginMs">;
  private leaderSince = 0;
  private version = -1;
  private readonly notBefore = new Map<NodeEntry, number>();
  /** When the next lease may run out; nothing is to be found before. */
  nextAt = Number.NEGATIVE_INFINITY;

  constructor(view: ClusterView, settings: Pick<PlacementSettings, "leaseMarginMs">) {
    this.view = view;
    this.settings = settings;
  }

  lead(now: number): void {
    this.leaderSince = now;
    this.notBefore.clear();
    this.nextAt = now;
    for (const node of this.view.nodes.values()) {
      node.condemned = false;
      node.leaseUntil = Number.NEGATIVE_INFINITY;
    }
  }

  renewed(id: string, boot: string, until: number): boolean {
    const node = this.view.nodes.get(id);
    if (node?.record?.boot !== boot || node.condemned || isGone(node)) return false;
    node.leaseUntil = Math.max(node.leaseUntil, until);
    return true;
  }

  /** Whether `find` may find anything. */
  isDue(now: number): boolean {
    return now >= this.nextAt || this.version !== this.view.nodesVersion;
  }

  find(now: number): Intent[] {
    const intents: Intent[] = [];
    this.version = this.view.nodesVersion;
    this.nextAt = Number.POSITIVE_INFINITY;
    for (const node of this.view.nodes.values()) {
      const { id, record, modified } = node;
      if (record === undefined || isGone(node)) continue;
      const first = Math.max(this.leaderSince, node.since) + record.leaseMs;
      const lease = Math.max(node.leaseUntil, first) + this.settings.leaseMarginMs;
      const at = Math.max(lease, this.notBefore.get(node) ?? lease);
      if (now < at || intents.length >= MAX_AT_ONCE) {
        this.nextAt = Math.min(this.nextAt, at);
        continue;
      }
      node.condemned = true;
      this.notBefore.set(node, now + AGAIN_MS);
      this.nextAt = Math.min(this.nextAt, now + AGAIN_MS);
      intents.push({ type: "lost", node: id, modified, record });
    }
    for (const node of this.notBefore.keys())
      if (isGone(node) || node.record === undefined) this.notBefore.delete(node);
    return intents;
  }

  /** It was decided that the node is not lost by this proposal: it may renew again, or be proposed anew. */
  failed(id: string, modified: number): void {
    const node = this.view.nodes.get(id);
    if (node?.modified === modified) node.condemned = false;
  }
}

function isGone({ record }: NodeEntry): boolean {
  return record?.state === "lost" || record?.state === "stopped";
}
