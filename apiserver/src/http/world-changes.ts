import {
  ABSENT,
  type Compare,
  type ControlStore,
  hexOf,
  isModuleName,
  isModuleVersion,
  type ModuleSource,
  modifiedIs,
  moduleKey,
  toPlain,
  type WorldRecord,
} from "@atlasnet/core";
import { ApiError } from "./api-error.ts";
import { readRecord } from "./record-access.ts";
import type { AskedModule, WorldChanges } from "./record-schemas.ts";

export interface NamedModule {
  readonly module: ModuleSource;
  /** What has to hold when the world is written: that the module has not been removed in between. */
  readonly compare: readonly Compare[];
}

/**
 * The module as a world names it. Modules of the artifact store are named by name and version; the digest is
 * that of the record. @throws ApiError "not-found", "conflict" when another digest was asked for
 */
export async function askedModule(store: ControlStore, asked: AskedModule): Promise<NamedModule> {
  if (asked.source === "node") return { module: asked, compare: [] };
  const { name, version } = asked;
  const known = isModuleName(name) && isModuleVersion(version);
  const key = moduleKey(name, version);
  const { record, modified } = known ? await readRecord(store, "module", key) : ABSENT;
  if (record === undefined)
    throw new ApiError(
      "not-found",
      `there is no module ${name}@${version}`,
      "`atlasnet module ls` shows them; `atlasnet module push` stores one.",
    );
  if (asked.digest !== undefined && asked.digest !== hexOf(record.digest))
    throw new ApiError(
      "conflict",
      `the module ${name}@${version} has the digest ${hexOf(record.digest)}`,
      "Leave the digest out, or name the version that has it.",
    );
  const { digest } = record;
  return {
    module: { source: "store", name, version, digest },
    compare: [modifiedIs(key, modified)],
  };
}

/**
 * What becomes of a world when its node is lost and nobody has said so. `kept`: there is a store of snapshots
 * that all gameservers reach.
 */
export function usualFailover(
  durability: WorldRecord["durability"],
  kept: boolean,
): WorldRecord["failover"] {
  // Its mirror takes over. When that is lost as well, what players were told is lost with it, unless somebody waits.
  if (durability === "mirror") return "manual";
  // Without one its snapshots are on the disk of the node that had it: elsewhere it would begin anew.
  return kept || durability === "none" ? "automatic" : "manual";
}

export function changedWorld(
  before: WorldRecord,
  changes: WorldChanges,
  module: ModuleSource | undefined,
  kept: boolean,
): WorldRecord {
  const { module: _, config, constraints, ...rest } = changes;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const { durability = before.durability } = changes;
  // What was the usual stays the usual: a world that becomes durable must not begin anew elsewhere.
  const failover =
    before.failover === usualFailover(before.durability, kept)
      ? usualFailover(durability, kept)
      : before.failover;
  return {
    ...before,
    failover,
    ...given,
    ...(module !== undefined && { module }),
    ...(config !== undefined && { config: toPlain(config) }),
    constraints: {
      nodeLabels: constraints?.nodeLabels ?? before.constraints.nodeLabels,
      nodes: constraints?.nodes ?? before.constraints.nodes,
    },
  };
}
