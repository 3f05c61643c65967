import type { PseudoRandom } from "@atlasnet/core";

/** What an operator may do to a running cluster. */
export type Deed =
  | { readonly type: "migrate"; readonly world: string; readonly to: string }
  | { readonly type: "cordon"; readonly node: string; readonly cordoned: boolean }
  /** A gameserver is told to end, gives its worlds away, and comes back. */
  | { readonly type: "roll"; readonly node: string };

export interface OperatorDependencies {
  readonly random: PseudoRandom;
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
    const pick = (from: readonly string[]) => from[random.int(0, from.length - 1)] ?? "";
    const chance = random.float();
    if (chance < 0.7) return { type: "migrate", world: pick(worlds), to: pick(nodes) };
    const node = pick(nodes);
    if (chance < 0.85) return { type: "roll", node };
    const cordoned = !this.cordoned.has(node) && this.cordoned.size < nodes.length - 1;
    return this.cordon(node, cordoned);
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
