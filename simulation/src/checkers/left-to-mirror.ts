import type { Violations } from "@atlasnet/apiserver/sim";
import { firstShard, isAlive, type KeyValue, mirrorKey, nodeKey, ownerKey } from "@atlasnet/core";
import { mirrorInSync, nodeOf } from "./records.ts";
import type { MadeTick, TickChecker } from "./ticks.ts";

/**
 * A shard that stands still is gone on with after so long, in ms, while its mirror's node is alive: that suspects the owner
 * in less than a second, and pauses between proposals grow to some seconds.
 */
const MOST_MS = 20_000;

export interface LeftToMirrorDependencies {
  readonly violations: Violations;
  readonly worlds: readonly string[];
  /** What is committed at this very moment, of all clocks. */
  item(key: string): KeyValue | undefined;
  /** Something can be committed: nobody can give up, be promoted or be lost otherwise. */
  leads(): boolean;
}

/**
 * A shard that stands still is left to the mirror that is in sync: nobody else may go on with it. So that one goes on, or
 * withdraws when it cannot, for as long as its node is alive.
 */
export class LeftToMirror implements TickChecker {
  readonly rule = "a mirror goes on, or gives up";
  looked = 0;
  private readonly deps: LeftToMirrorDependencies;
  /** Since when a shard is left to its mirror, by the shard. */
  private readonly since = new Map<string, { readonly mirror: string; readonly at: number }>();

  constructor(dependencies: LeftToMirrorDependencies) {
    this.deps = dependencies;
  }

  ticked({ shard: { options } }: MadeTick): void {
    this.since.delete(options.shard);
  }

  /** To be called again and again. */
  look(): void {
    if (!this.deps.leads()) this.since.clear();
    for (const shard of this.deps.worlds.map(firstShard)) this.lookAt(shard);
  }

  private lookAt(shard: string): void {
    const { item, violations } = this.deps;
    const { mirror, owner } = mirrorInSync(item(ownerKey(shard)), item(mirrorKey(shard))) ?? {};
    const node = nodeOf(item(nodeKey(mirror?.node ?? "")));
    if (mirror === undefined || node === undefined || !isAlive(node, mirror.boot)) {
      this.since.delete(shard);
      return;
    }
    this.looked += 1;
    const now = violations.now();
    const before = this.since.get(shard);
    if (before?.mirror !== mirror.id) this.since.set(shard, { mirror: mirror.id, at: now });
    else if (now - before.at > MOST_MS)
      violations.add(
        this.rule,
        `${shard} of ${owner?.node} stands still since ${before.at.toFixed(0)} ms, and its mirror ${mirror.node} does nothing`,
      );
  }
}
