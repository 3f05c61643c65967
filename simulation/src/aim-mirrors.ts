import { firstShard, type KeyValue, mirrorKey, ownerKey } from "@atlasnet/core";
import type { SimPassage } from "@atlasnet/core/sim";
import { promotionIn } from "./checkers/promotion-calls.ts";
import { mirrorInSync, ownerOf } from "./checkers/records.ts";

export interface MirrorStepsDependencies {
  readonly worlds: readonly string[];
  /** What is committed. */
  item(key: string): KeyValue | undefined;
  /** A mirror has reached a step; `one` and `other` take part in it. */
  reached(step: string, one: string, other: string): void;
}

/** Tells of each step of a mirror as it is reached: in sync, proposed, promoted, cleared. */
export class MirrorSteps {
  private readonly deps: MirrorStepsDependencies;
  private readonly before = new Map<string, ReturnType<typeof mirrorInSync>>();

  constructor(dependencies: MirrorStepsDependencies) {
    this.deps = dependencies;
  }

  sent({ from, message }: SimPassage): void {
    const promotion = message.type === "call" ? promotionIn(message) : undefined;
    if (promotion === undefined) return;
    for (const last of this.before.values())
      if (last?.mirror.id === promotion.mirror)
        this.deps.reached("mirror: proposes itself", from, last.owner.node);
  }

  /** Something was committed, and nobody knows the answer yet. */
  committed(): void {
    const { worlds, item, reached } = this.deps;
    for (const shard of worlds.map(firstShard)) {
      const owner = item(ownerKey(shard));
      const now = mirrorInSync(owner, item(mirrorKey(shard)));
      const last = this.before.get(shard);
      this.before.set(shard, now);
      if (now !== undefined && now.mirror.id !== last?.mirror.id)
        reached("mirror: in sync", now.owner.node, now.mirror.node);
      if (last === undefined || now?.mirror.id === last.mirror.id) continue;
      const [one, other] = [last.owner.node, last.mirror.node];
      if (owner?.modified === last.epoch) reached("mirror: cleared", one, other);
      else if (ownerOf(owner)?.node === other) reached("mirror: promoted", one, other);
    }
  }
}
