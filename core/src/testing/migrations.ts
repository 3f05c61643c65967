import type { MigrationView, MigrationWish, SwitchView } from "../control/migration-changes.ts";
import { firstShard, migrationKey, nodeKey } from "../control/record-keys.ts";
import { claimView } from "./claims.ts";
import type { TinyStore } from "./tiny-store.ts";

/** What a migration of the first shard of a world to a node is decided by, as the store is now. */
export function migrationView(
  store: TinyStore,
  world: string,
  to: string,
): MigrationView & SwitchView {
  const target = store.seen("node", nodeKey(to));
  const migration = store.seen("migration", migrationKey(firstShard(world)));
  return { ...claimView(store, world, to), target, migration };
}

/** A wish with an id of its own, for tests that care about some of its fields. */
export function migrationWish(
  number: number,
  fields: Partial<MigrationWish> & Pick<MigrationWish, "to">,
): MigrationWish {
  return {
    id: number.toString(16).padStart(16, "0"),
    reason: "operator",
    started: 1_000,
    deadlineMs: 60_000,
    ...fields,
  };
}
