import type { Violations } from "@atlasnet/apiserver/sim";
import {
  firstShard,
  isAlive,
  type KeyValue,
  migrationKey,
  mirrorKey,
  nodeKey,
  ownerKey,
} from "@atlasnet/core";
import type { SimPassage } from "@atlasnet/core/sim";
import { migrationOf, mirrorOf, nodeOf, ownerOf } from "./records.ts";
import type { MadeTick, TickChecker } from "./ticks.ts";

export interface OwnTransactionsDependencies {
  readonly violations: Violations;
  readonly worlds: readonly string[];
  /** What is committed at this very moment, of all clocks. */
  item(key: string): KeyValue | undefined;
}

type Items = { readonly [K in "owner" | "migration" | "mirror"]: KeyValue | undefined };

/**
 * Rule 5.4: a node makes itself owner by a transaction that names the copy it holds: of what nobody alive owns, or by
 * the migration or mirror that stood in the record. And a sealed source goes on only after the transaction that deletes
 * the migration has committed.
 */
export class OwnTransactions implements TickChecker {
  readonly rule = "5.4 ownership by one's own transaction";
  looked = 0;
  private readonly deps: OwnTransactionsDependencies;
  private readonly before = new Map<string, Items>();
  /** The migration that a shard was sealed for, by shard and epoch. */
  private readonly sealed = new Map<string, string>();

  constructor(dependencies: OwnTransactionsDependencies) {
    this.deps = dependencies;
  }

  /** Something was committed. */
  committed(): void {
    const { worlds, item } = this.deps;
    for (const shard of worlds.map(firstShard)) {
      const now: Items = {
        owner: item(ownerKey(shard)),
        migration: item(migrationKey(shard)),
        mirror: item(mirrorKey(shard)),
      };
      const before = this.before.get(shard);
      this.before.set(shard, now);
      if (before?.owner?.modified !== now.owner?.modified) this.changed(shard, before, now);
      // Given up by a transaction: it may go on, and a mirror that takes it over later ends nothing of the migration.
      const sealed = `${shard} ${now.owner?.modified}`;
      const id = this.sealed.get(sealed);
      if (id !== undefined && migrationOf(now.migration)?.id !== id) this.sealed.delete(sealed);
    }
  }

  private changed(shard: string, before: Items | undefined, now: Items): void {
    const owner = ownerOf(now.owner);
    if (owner?.state !== "owned") return;
    this.looked += 1;
    const { node, boot } = owner;
    const who = `${node} (${boot}) owns ${shard} since revision ${now.owner?.modified}`;
    if (!this.isAlive(node, boot)) this.report(`${who}, and is not alive`);
    const last = ownerOf(before?.owner);
    if (last?.state !== "owned" || (last.node === node && last.boot === boot)) return;
    const migration = migrationOf(before?.migration);
    const isMoved =
      migration?.to === node && migration.toBoot === boot && now.migration === undefined;
    const mirror = mirrorOf(before?.mirror);
    const isMirror = mirror?.node === node && mirror.boot === boot && mirror.state === "in-sync";
    if (!isMoved && !isMirror && this.isAlive(last.node, last.boot))
      this.report(`${who}, taken from ${last.node} (${last.boot}), which is alive`);
  }

  sent({ message }: SimPassage): void {
    if (message.type !== "replica-sealed") return;
    const { shard, epoch } = message;
    const migration = migrationOf(this.deps.item(migrationKey(shard)));
    if (migration?.epoch === epoch) this.sealed.set(`${shard} ${epoch}`, migration.id);
  }

  ticked({ shard: { options }, result }: MadeTick): void {
    const { shard, epoch } = options;
    const sealed = this.sealed.get(`${shard} ${epoch}`);
    if (sealed === undefined) return;
    this.looked += 1;
    const { item } = this.deps;
    const where = `${shard} makes tick ${result.tick} at epoch ${epoch}, sealed for migration ${sealed}`;
    if (item(ownerKey(shard))?.modified !== epoch) this.report(`${where}, which has moved it`);
    else if (migrationOf(item(migrationKey(shard)))?.id === sealed)
      this.report(`${where}, which is not given up`);
    else this.sealed.delete(`${shard} ${epoch}`);
  }

  private isAlive(node: string, boot: string): boolean {
    const record = nodeOf(this.deps.item(nodeKey(node)));
    return record !== undefined && isAlive(record, boot);
  }

  private report(detail: string): void {
    this.deps.violations.add(this.rule, detail);
  }
}
