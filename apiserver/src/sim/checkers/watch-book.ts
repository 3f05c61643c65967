import type { Change, KeyValue } from "@atlasnet/core";
import type { History } from "./history.ts";
import type { Violations } from "./violations.ts";

const RULE = "watches";

/**
 * What one watcher was told, held against what happened: revisions go up, nothing goes back, every state is one that
 * was, nothing behind the watch's position is missing unless something newer is still to come, and
 * `compacted` only comes when what lies between may have been forgotten.
 */
export class WatchBook {
  readonly view = new Map<string, KeyValue>();
  position = 0;
  events = 0;
  private readonly name: string;
  private readonly prefix: string;
  private readonly history: History;
  private readonly violations: Violations;

  constructor(
    { name, prefix }: { name: string; prefix: string },
    { history, violations }: { history: History; violations: Violations },
  ) {
    this.name = name;
    this.prefix = prefix;
    this.history = history;
    this.violations = violations;
  }

  /** It read everything. */
  began(items: readonly KeyValue[], revision: number): void {
    if (revision < this.position) this.fault(`a read at ${revision} behind ${this.position}`);
    this.view.clear();
    for (const item of items) this.view.set(item.key, item);
    this.position = revision;
    for (const key of this.history.keys(this.prefix)) {
      const expected = this.history.itemAt(key, revision);
      if (this.view.get(key)?.modified !== expected?.modified)
        this.fault(
          `a read at ${revision} has ${key} of ${this.view.get(key)?.modified}, not ${expected?.modified}`,
        );
    }
  }

  changed(revision: number, changes: readonly Change[]): void {
    this.events += 1;
    if (revision <= this.position) this.fault(`told of ${revision} after ${this.position}`);
    const told = new Set<string>();
    for (const change of changes) this.take(change, revision, told);
    this.position = revision;
    for (const key of this.history.keys(this.prefix)) this.look(key, revision);
  }

  /** `floor`: what the apiserver may have forgotten. */
  compacted(mayForget: boolean): void {
    if (!mayForget) this.fault(`told "compacted" at ${this.position}, which cannot be forgotten`);
  }

  /** What has not come (yet), when all is well again: the newest of every key must. */
  get missing(): string | undefined {
    const { history, view, name, position } = this;
    for (const key of history.keys(this.prefix)) {
      const [is, should] = [view.get(key)?.modified, history.item(key)?.modified];
      if (is !== should) return `${name}: at ${position} ${key} is of ${is}, not of ${should}`;
    }
    return undefined;
  }

  private take(change: Change, revision: number, told: Set<string>): void {
    const key = change.type === "put" ? change.item.key : change.key;
    const modified = change.type === "put" ? change.item.modified : change.modified;
    if (!key.startsWith(this.prefix)) this.fault(`told of ${key}, which it does not watch`);
    if (told.has(key)) this.fault(`told twice of ${key} at once`);
    told.add(key);
    if (modified <= this.position || modified > revision)
      this.fault(`${key} of ${modified} in an event from ${this.position} to ${revision}`);
    const item = change.type === "put" ? change.item : undefined;
    const expected = this.history.itemAt(key, modified);
    if (expected?.modified !== item?.modified || !sameValue(expected, item))
      this.fault(`${key} never was as it is told of ${modified}`);
    if (item) this.view.set(key, item);
    else this.view.delete(key);
  }

  private look(key: string, revision: number): void {
    const expected = this.history.itemAt(key, revision);
    if (this.view.get(key)?.modified === expected?.modified) return;
    if (!this.history.changedSince(key, revision))
      this.fault(`at ${revision} the change of ${key} at ${expected?.modified} is missing`);
  }

  private fault(what: string): void {
    this.violations.add(RULE, `${this.name}: ${what}`);
  }
}

function sameValue(a: KeyValue | undefined, b: KeyValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.value.length === b.value.length && a.value.every((byte, at) => byte === b.value[at]);
}
