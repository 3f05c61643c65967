import { OperatingError } from "@atlasnet/core";
import { canonicalJson, type DefinitionData } from "@atlasnet/world";
import type { TypeScriptModule } from "../module/typescript-module.ts";
import type { Shard } from "../shard/shard.ts";

export interface KeptState {
  snapshot: { header: { schema: DefinitionData }; state: Uint8Array };
  deltas: readonly Uint8Array[];
}

/**
 * Brings a kept state into a shard. True when the shard is exactly that state; false when the module's
 * definition changed and the state was carried over by name.
 * @throws OperatingError naming what does not fit.
 */
export function carryOver(
  kept: KeptState,
  shard: Shard,
  module: TypeScriptModule,
  world: string,
): boolean {
  const { schema } = kept.snapshot.header;
  if (canonicalJson(schema) === canonicalJson(module.definition)) {
    shard.restore(kept.snapshot.state, kept.deltas);
    return true;
  }
  throw new OperatingError("schema-changed", `world ${world}: the definition changed`);
}
