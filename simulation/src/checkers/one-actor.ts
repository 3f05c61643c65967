import type { Violations } from "@atlasnet/apiserver/sim";
import { isAlive, type KeyValue, mirrorKey, nodeKey, ownerKey } from "@atlasnet/core";
import type { SimPassage } from "@atlasnet/core/sim";
import { isAct } from "./acts.ts";
import type { Checker } from "./checker.ts";
import { mirrorInSync, nodeOf, ownerOf } from "./records.ts";

export interface OneActorDependencies {
  readonly violations: Violations;
  /** What is committed at this very moment, of all clocks. */
  item(key: string): KeyValue | undefined;
  /** The boot that the process of a node is registered with now. */
  bootOf(node: string): string | undefined;
  /** It is of an ownership that a mirror has ended, which has all that it tells of (MirrorGates). */
  isOfTheMirror(passage: SimPassage): boolean;
}

/**
 * Rule 5.1: at most one gameserver acts for a shard. Whoever lets something out is its committed owner at that very
 * moment, and alive as far as anybody has decided; so no two ever act at a time. When a mirror has taken the shard over,
 * the one before may still say what the mirror has: that is one and the same history. While a mirror is recorded as
 * unleased, its owner may act though it is taken for lost: nobody else may have the shard.
 */
export class OneActor implements Checker {
  readonly rule = "5.1 one actor per shard";
  looked = 0;
  /** What owners said on their mirrors' word who were taken for lost. */
  saidWhenLost = 0;
  private readonly deps: OneActorDependencies;

  constructor(dependencies: OneActorDependencies) {
    this.deps = dependencies;
  }

  sent(passage: SimPassage): void {
    const { from, message } = passage;
    if (!isAct(message)) return;
    const { shard, epoch } = message;
    this.looked += 1;
    const problem = this.problem(from, shard, epoch);
    if (problem !== undefined && !this.deps.isOfTheMirror(passage))
      this.deps.violations.add(
        this.rule,
        `${from} says "${message.type}" for ${shard} at epoch ${epoch}, and ${problem}`,
      );
  }

  private problem(node: string, shard: string, epoch: number): string | undefined {
    const { item, bootOf } = this.deps;
    const found = item(ownerKey(shard));
    const owner = ownerOf(found);
    if (owner === undefined) return "nobody owns it";
    const { state, node: of, boot } = owner;
    if (state !== "owned" || of !== node || found?.modified !== epoch)
      return `it is ${state} by ${of} at ${found?.modified}`;
    const running = bootOf(node);
    if (boot !== running) return `it is owned by boot ${boot}, and ${running} runs`;
    const known = nodeOf(item(nodeKey(node)));
    if (known !== undefined && isAlive(known, boot)) return undefined;
    if (mirrorInSync(found, item(mirrorKey(shard)))?.mirror.unleased !== true)
      return "that boot is not alive: others may have it";
    this.saidWhenLost += 1;
    return undefined;
  }
}
