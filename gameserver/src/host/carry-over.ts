import { OperatingError } from "@atlasnet/core";
import { canonicalJson, compileDefinition, type DefinitionData } from "@atlasnet/world";
import {
  type MigrationProblem,
  migrateComponents,
  SchemaChangedError,
} from "../durability/migrate-schema.ts";
import { planMigration } from "../durability/plan-migration.ts";
import type { TypeScriptModule } from "../module/typescript-module.ts";
import { type Guard, MAX_STALLS } from "../shard/guarded.ts";
import { type MigrateEntity, migrateStore } from "../shard/migrate-store.ts";
import type { Shard } from "../shard/shard.ts";
import { StateCodec } from "../shard/state-codec.ts";
import { Store } from "../shard/store.ts";

export interface KeptState {
  snapshot: { header: { schema: DefinitionData }; state: Uint8Array };
  deltas: readonly Uint8Array[];
}

/**
 * Brings a kept state into a shard. True when the shard is exactly that state; false when the module's
 * definition changed: then the state was carried over by the names of components and fields, and what
 * changed its type by the module's `upgrade`, one entity at a time under the time limit.
 * @throws SchemaChangedError naming every field that does not fit.
 */
export function carryOver(
  kept: KeptState,
  shard: Shard,
  module: TypeScriptModule,
  world: string,
  guard: Guard,
): boolean {
  const { schema } = kept.snapshot.header;
  if (canonicalJson(schema) === canonicalJson(module.definition)) {
    shard.succession.restore(kept.snapshot.state, kept.deltas);
    return true;
  }
  const { outboxMessages: messages, outboxBytes: bytes } = shard.options;
  const old = new Store(compileDefinition(schema), { seed: 0, outbox: { messages, bytes } });
  const codec = new StateCodec(old.definition);
  codec.apply(kept.snapshot.state, old);
  for (const delta of kept.deltas) codec.apply(delta, old);
  shard.succession.adopt((store) => upgradeStore(old, store, module, world, guard));
  return false;
}

/**
 * Fills an empty store with what another one holds, which has an older definition and stays as it is.
 * @throws SchemaChangedError naming every field that does not fit.
 */
export function upgradeStore(
  old: Store,
  next: Store,
  module: TypeScriptModule,
  world: string,
  guard: Guard,
): void {
  const problems: MigrationProblem[] = [];
  migrateStore(old, next, migration(old.definition.data, module, problems, guard));
  if (problems.length > 0) throw new SchemaChangedError(world, problems);
}

function migration(
  schema: DefinitionData,
  module: TypeScriptModule,
  problems: MigrationProblem[],
  guard: Guard,
): MigrateEntity {
  const plan = planMigration(schema, module.definition);
  return ({ id, components }) => {
    let upgraded: ReturnType<TypeScriptModule["upgrade"]>;
    const upgrade = () => {
      if (module.canUpgrade) upgraded = module.upgrade({ id, components }, schema.version);
    };
    let outcome = guard(upgrade);
    for (let n = 0; outcome === "stalled" && n < MAX_STALLS; n++) outcome = guard(upgrade);
    if (outcome !== "done")
      throw new OperatingError(
        "upgrade-timeout",
        `upgrade of entity ${id} ran into the time limit`,
        {
          hint: "Repair the module's upgrade handler; the state is as it was.",
        },
      );
    if (module.canUpgrade && upgraded === undefined) return undefined;
    const migrated = migrateComponents(plan, components, upgraded);
    if (migrated.ok) return migrated.components;
    problems.push(...migrated.problems);
    return undefined;
  };
}
