import { type KeyValue, sameBytes, type TxnRequest, type TxnResult } from "@atlasnet/core";
import type { Entry } from "../../raft/core/types.ts";
import { decodeCommand } from "../../store/commands.ts";
import { DEFAULT_QUOTA_BYTES } from "../../store/limits.ts";
import { StoreModel } from "../../store/store-model.ts";
import type { Violations } from "./violations.ts";

export interface KeyChange {
  readonly key: string;
  readonly before: KeyValue | undefined;
  readonly after: KeyValue | undefined;
  readonly revision: number;
}

/** What a replica says of its state. */
export interface Replica {
  readonly revision: number;
  readonly hash: string;
}

/**
 * What was committed, as soon as anybody applies it, and a plain model of the store that follows it. All replicas
 * have to apply the same entries in the same order, and to be what the model is; what clients are told is what
 * the model says.
 */
export class History {
  readonly model = new StoreModel(DEFAULT_QUOTA_BYTES);
  /** Sum of the changes up to each revision. */
  readonly changeCounts: number[] = [0];
  private readonly byKey = new Map<string, KeyChange[]>();
  private readonly entries: (Entry | undefined)[] = [];
  private readonly last = new Map<string, number>();
  private readonly revisions: number[] = [0];
  private readonly hashes = new Map<number, string>();
  private readonly violations: Violations;
  private readonly onChange: (change: KeyChange) => void;
  readonly counts = { acknowledged: 0, entries: 0, installs: 0 };

  constructor(violations: Violations, onChange: (change: KeyChange) => void) {
    this.violations = violations;
    this.onChange = onChange;
  }

  get index(): number {
    return this.entries.length - 1;
  }

  item(key: string): KeyValue | undefined {
    const change = this.byKey.get(key)?.at(-1);
    return change?.after;
  }

  /** What a key was at a revision. */
  itemAt(key: string, revision: number): KeyValue | undefined {
    return this.byKey.get(key)?.findLast((change) => change.revision <= revision)?.after;
  }

  changedSince(key: string, revision: number): boolean {
    return (this.byKey.get(key)?.at(-1)?.revision ?? 0) > revision;
  }

  keys(prefix: string): string[] {
    return [...this.byKey.keys()].filter((key) => key.startsWith(prefix));
  }

  /** A process begins with what its checkpoint holds. */
  began(id: string, index: number, replica: Replica): void {
    this.last.set(id, index);
    if (index > 0) this.compare(id, index, replica);
  }

  installed(id: string, index: number, replica: Replica): void {
    this.counts.installs += 1;
    const before = this.last.get(id) ?? 0;
    if (index <= before)
      this.violations.add("state machine safety", `${id} goes back from ${before} to ${index}`);
    this.began(id, index, replica);
  }

  applied(id: string, entries: readonly Entry[], replica: Replica): void {
    for (const entry of entries) {
      const { index } = entry;
      const before = this.last.get(id) ?? 0;
      if (index !== before + 1)
        this.violations.add("state machine safety", `${id} applies ${index} after ${before}`);
      this.last.set(id, index);
      const known = this.entries[index];
      if (known === undefined) this.commit(id, entry);
      else if (known.term !== entry.term || !sameBytes(known.data, entry.data))
        this.violations.add(
          "state machine safety",
          `${id} applies an entry ${index} of term ${entry.term}, others one of ${known.term}`,
        );
    }
    const last = entries.at(-1);
    if (last) this.compare(id, last.index, replica);
  }

  /** A client was told how its transaction ended. */
  acknowledged({ id }: TxnRequest, result: TxnResult): void {
    this.counts.acknowledged += 1;
    if (id === undefined) return;
    const outcome = this.model.answers.get(id);
    if (outcome === undefined)
      this.violations.add("acknowledged writes", `${id} was acknowledged and is not committed`);
    else if (
      outcome.code !== "done" ||
      outcome.succeeded !== result.succeeded ||
      outcome.revision !== result.revision
    )
      this.violations.add(
        "acknowledged writes",
        `${id} was answered with ${JSON.stringify(result)}, and is ${JSON.stringify(outcome)}`,
      );
  }

  private commit(id: string, entry: Entry): void {
    const { index, term, type, data } = entry;
    if (index !== Math.max(1, this.entries.length))
      this.violations.add("state machine safety", `${id} applies ${index}, nobody those before it`);
    this.entries[index] = entry;
    this.counts.entries += 1;
    if (type === "command") {
      const command = decodeCommand(data, index);
      for (const txn of command.type === "txns" ? command.txns : []) {
        const before = this.model.items;
        this.model.apply(txn, term);
        if (this.model.items !== before) this.note(before, this.model.items);
      }
    }
    this.revisions[index] = this.model.revision;
  }

  private note(before: readonly KeyValue[], after: readonly KeyValue[]): void {
    const { revision } = this.model;
    const old = new Map(before.map((item) => [item.key, item]));
    const changes: KeyChange[] = [];
    for (const item of after) {
      const was = old.get(item.key);
      old.delete(item.key);
      if (was !== item) changes.push({ key: item.key, before: was, after: item, revision });
    }
    for (const [key, was] of old) changes.push({ key, before: was, after: undefined, revision });
    this.changeCounts[revision] = (this.changeCounts[revision - 1] ?? 0) + changes.length;
    for (const change of changes) {
      const all = this.byKey.get(change.key);
      if (all) all.push(change);
      else this.byKey.set(change.key, [change]);
      this.onChange(change);
    }
  }

  private compare(id: string, index: number, { revision, hash }: Replica): void {
    const expected = this.revisions[index];
    if (expected !== revision)
      this.violations.add(
        "one state on all replicas",
        `${id} is at revision ${revision} behind entry ${index}, where the model is at ${expected}`,
      );
    const known = this.hashes.get(index);
    if (known === undefined) this.hashes.set(index, hash);
    else if (known !== hash)
      this.violations.add("one state on all replicas", `${id} differs behind entry ${index}`);
  }
}
