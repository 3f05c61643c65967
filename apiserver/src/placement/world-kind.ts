import {
  ANY_MODULE,
  type Constraints,
  hexOf,
  type ModuleSource,
  STORED_MODULES,
  type WorldRecord,
} from "@atlasnet/core";
import type { NodeEntry } from "./entries.ts";

/** What a node lacks for worlds of a kind. */
export type Misfit =
  | { readonly code: "label"; readonly label: string; readonly value: string }
  | { readonly code: "not-named" }
  | { readonly code: "no-module"; readonly module: string }
  /** The module is in the artifact store, which the node does not know. */
  | { readonly code: "no-store"; readonly module: string };

/**
 * Worlds that may go to the same nodes and are placed by the same policy. A cluster has many worlds and
 * few kinds; the nodes that fit are listed once for each.
 */
export class WorldKind {
  readonly key: string;
  readonly constraints: Constraints;
  readonly policy: WorldRecord["policy"];
  readonly module: ModuleSource;
  private readonly labels: readonly (readonly [name: string, value: string])[];
  /** Worlds of this kind. */
  worlds = 0;
  /** Nodes that fit and take new shards, as of `version` of the view's nodes. */
  nodes: NodeEntry[] = [];
  version = -1;
  /** The least weight that found no room, as of `blockedVersion`. */
  blockedWeight = 0;
  blockedVersion = -1;

  constructor(
    key: string,
    { constraints, policy, module }: Pick<WorldRecord, "constraints" | "policy" | "module">,
  ) {
    this.key = key;
    this.constraints = constraints;
    this.policy = policy;
    this.module = module;
    this.labels = Object.entries(constraints.nodeLabels);
  }

  /** What a world of this kind is with another module; the view does not keep it. */
  withModule(module: ModuleSource): WorldKind {
    const { constraints, policy } = this;
    return new WorldKind("", { constraints, policy, module });
  }

  misfit(node: NodeEntry, modules: ReadonlyMap<string, string>): Misfit | undefined {
    const { record } = node;
    if (record === undefined) return { code: "not-named" };
    const { nodes } = this.constraints;
    if (nodes.length > 0 && !nodes.includes(node.id)) return { code: "not-named" };
    for (const [label, value] of this.labels)
      if (record.labels[label] !== value) return { code: "label", label, value };
    return this.moduleMisfit(record.modules, modules);
  }

  private moduleMisfit(
    own: readonly string[],
    stored: ReadonlyMap<string, string>,
  ): Misfit | undefined {
    const { module } = this;
    const name = moduleName(module);
    const isThere =
      module.source === "node"
        ? own.includes(ANY_MODULE) || own.includes(module.path)
        : stored.get(name) === hexOf(module.digest);
    if (!isThere) return { code: "no-module", module: name };
    return module.source === "node" || own.includes(STORED_MODULES)
      ? undefined
      : { code: "no-store", module: name };
  }
}

export function kindKey({ constraints, policy, module }: WorldRecord): string {
  const { nodeLabels, nodes } = constraints;
  const source =
    module.source === "node" ? module.path : [module.name, module.version, hexOf(module.digest)];
  const labels = Object.entries(nodeLabels).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([policy, source, labels, [...nodes].sort()]);
}

export function moduleName(module: ModuleSource): string {
  return module.source === "node" ? module.path : `${module.name}@${module.version}`;
}
