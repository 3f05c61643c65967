import {
  abortMigration,
  type ClaimView,
  generationOf,
  type MigrationRecord,
  type Seen,
  switchShard,
  type TxnRequest,
} from "@atlasnet/core";
import type { ClientParts } from "./store-client.ts";

/** Of targets that give up. */
const GIVES_UP = 0.15;
/** After which a source that breaks the rule goes on by itself. */
const IMPATIENCE_MS = 60;

/**
 * A gameserver's part in migrations, all but the copying: here a source is ready to seal after some time, and what
 * it has sealed its target knows at once. What is under test is who acts when, and that every migration ends.
 */
export class SimMigrations {
  private readonly parts: ClientParts;
  /** When something is done about migrations, and whether a target gives up then, by their ids. */
  private readonly plans = new Map<string, { readonly due: number; readonly givesUp: boolean }>();

  constructor(parts: ClientParts) {
    this.parts = parts;
  }

  /**
   * Whether its owner has sealed a shard, or does so now. It goes on once its watch shows that the migration is
   * gone and the ownership the same: then an abort has committed.
   */
  isSealed(boot: string, epoch: number, { record }: Seen<MigrationRecord>): boolean {
    if (record?.fromBoot !== boot || record.epoch !== epoch) return false;
    const { books, faults, host } = this.parts;
    const { due } = this.planOf(record);
    if (host.process.now() < due) return false;
    books.seals.add(record.id);
    return !faults.has("unseals-by-itself") || host.process.now() < due + IMPATIENCE_MS;
  }

  /** What a target has to propose about a migration to it; undefined: nothing yet. */
  proposal(
    shard: string,
    view: ClaimView,
    migration: Seen<MigrationRecord>,
    me: { readonly node: string; readonly boot: string; readonly id: string },
  ): TxnRequest | undefined {
    const { record } = migration;
    if (record === undefined) return undefined;
    const { books, faults, host } = this.parts;
    const { due, givesUp } = this.planOf(record);
    if (host.process.now() < due) return undefined;
    const ended = host.process.wallTime();
    if (givesUp) {
      const how = { by: me.node, problem: "it gave up", ended, id: me.id };
      const made = abortMigration(shard, migration, how);
      return made.ok ? made.txn : undefined;
    }
    if (!books.seals.has(record.id) && !faults.has("switches-unsealed")) return undefined;
    const generation = generationOf(view.node.modified);
    const made = switchShard(shard, { ...view, migration }, { ...me, generation }, { ended });
    return made.ok ? made.txn : undefined;
  }

  private planOf({ id }: MigrationRecord) {
    const { host, random } = this.parts;
    const plan = this.plans.get(id) ?? {
      due: host.process.now() + random.int(50, 600),
      givesUp: random.float() < GIVES_UP,
    };
    this.plans.set(id, plan);
    return plan;
  }
}
