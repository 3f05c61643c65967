import type { NodeEntry } from "./entries.ts";
import type { Intent } from "./intents.ts";
import type { Leases } from "./leases.ts";
import type { ClusterView } from "./view.ts";

/** Losses proposed in one step. */
const MAX_AT_ONCE = 64;
/** What was proposed without an answer, or failed, is proposed again after this time, in ms. */
const AGAIN_MS = 1000;
/** Leases that have ended of nodes that the view does not show yet, or no more: looked at again, in ms. */
const UNSEEN_MS = 100;

type LostIntent = Extract<Intent, { type: "lost" }>;

/**
 * Nodes whose lease has run out, as intents. Who that is the leases know; here is what has been proposed
 * about it: one proposal of a node at a time, so that a decision about one says nothing of another.
 */
export class LostNodes {
  private readonly view: ClusterView;
  private readonly leases: Leases;
  /** Proposals that are not decided, by node. */
  private readonly proposed = new Map<string, number>();
  /** When nodes may be proposed again. */
  private readonly notBefore = new Map<string, number>();
  /** Nothing is found before, whatever the leases say. */
  private resting = Number.NEGATIVE_INFINITY;

  constructor(view: ClusterView, leases: Leases) {
    this.view = view;
    this.leases = leases;
  }

  /** What was proposed before is not known any more. */
  clear(): void {
    this.proposed.clear();
    this.notBefore.clear();
    this.resting = Number.NEGATIVE_INFINITY;
  }

  /** When there may be something to find. */
  get nextAt(): number {
    let next = this.leases.nextExpiry() ?? Number.POSITIVE_INFINITY;
    for (const at of this.notBefore.values()) next = Math.min(next, at);
    return Math.max(next, this.resting);
  }

  /** To be proposed at once: the leases are told that they are. */
  find(now: number, sequence: () => number): LostIntent[] {
    const intents: LostIntent[] = [];
    const { proposed, notBefore, view, leases } = this;
    this.resting = Number.NEGATIVE_INFINITY;
    for (const id of leases.expired(now)) {
      if (proposed.has(id) || now < (notBefore.get(id) ?? now)) continue;
      const node = view.nodes.get(id);
      if (node?.record === undefined || isGone(node)) {
        this.resting = now + UNSEEN_MS;
        continue;
      }
      if (intents.length >= MAX_AT_ONCE) {
        this.resting = now;
        break;
      }
      if (!leases.declare(id, now)) continue;
      notBefore.delete(id);
      const { record, modified } = node;
      const intent: LostIntent = { type: "lost", sequence: sequence(), node: id, modified, record };
      proposed.set(id, intent.sequence);
      intents.push(intent);
    }
    for (const [id, at] of notBefore) if (at <= now) notBefore.delete(id);
    return intents;
  }

  settled({ node, sequence }: LostIntent, outcome: "done" | "failed" | "unknown", now: number) {
    if (this.proposed.get(node) !== sequence) return;
    this.proposed.delete(node);
    // The watch shows what stood in the way, or that it is done.
    this.notBefore.set(node, now + AGAIN_MS);
    if (outcome === "failed") this.leases.declined(node);
  }
}

function isGone({ record }: NodeEntry): boolean {
  return record?.state === "lost" || record?.state === "stopped";
}
