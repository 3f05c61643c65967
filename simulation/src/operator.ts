import type { PseudoRandom } from "@atlasnet/core";
import type { Edition } from "./world/editions.ts";

/** What an operator may do to a running cluster. */
export type Deed =
  | { readonly type: "migrate"; readonly world: string; readonly to: string }
  /** It is to come to another version of its module. */
  | {
      readonly type: "upgrade";
      readonly world: string;
      readonly to: string;
      readonly edition: Edition;
    }
  | { readonly type: "cordon"; readonly node: string; readonly cordoned: boolean }
  /** A gameserver is told to end, gives its worlds away, and comes back. */
  | { readonly type: "roll"; readonly node: string };

export interface OperatorDependencies {
  readonly random: PseudoRandom;
  /** For upgrades. */
  readonly later: PseudoRandom;
  readonly worlds: readonly string[];
  /** Gameservers. */
  readonly nodes: readonly string[];
}

/** An operator who does not sit still: thinks of one thing after another that clusters have to bear. */
export class Operator {
  private readonly deps: OperatorDependencies;
  private readonly cordoned = new Set<string>();

  constructor(dependencies: OperatorDependencies) {
    this.deps = dependencies;
  }

  next(): Deed {
    const { random, worlds, nodes } = this.deps;
    const pick = (from: readonly string[]) => picked(random, from);
    const chance = random.float();
    if (chance < 0.7) return { type: "migrate", world: pick(worlds), to: pick(nodes) };
    const node = pick(nodes);
    if (chance < 0.85) return { type: "roll", node };
    const cordoned = !this.cordoned.has(node) && this.cordoned.size < nodes.length - 1;
    return this.cordon(node, cordoned);
  }

  /** To a version of which not all can go on with the world. */
  upgrade(): Deed {
    const { later, worlds, nodes } = this.deps;
    const [world, to] = [picked(later, worlds), picked(later, nodes)];
    return { type: "upgrade", world, to, edition: editionBy(later.float()) };
  }

  /** What takes everything back that keeps worlds away from nodes. */
  end(): readonly Deed[] {
    return [...this.cordoned].map((node) => this.cordon(node, false));
  }

  private cordon(node: string, cordoned: boolean): Deed {
    if (cordoned) this.cordoned.add(node);
    else this.cordoned.delete(node);
    return { type: "cordon", node, cordoned };
  }
}

function picked(random: PseudoRandom, from: readonly string[]): string {
  return from[random.int(0, from.length - 1)] ?? "";
}

/** `chance`: from 0 to 1. */
function editionBy(chance: number): Edition {
  if (chance < 0.3) return "patched";
  if (chance < 0.55) return "renewed";
  if (chance < 0.7) return "first";
  return chance < 0.85 ? "refuses" : "stumbles";
}
