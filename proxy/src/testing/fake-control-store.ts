import {
  type Change,
  type ControlStore,
  encodeRecord,
  type KeyValue,
  type MigrationRecord,
  type MirrorRecord,
  migrationKey,
  mirrorKey,
  type NodeRecord,
  nodeKey,
  type Operation,
  type OwnerRecord,
  ownerKey,
  type RangeRequest,
  type RangeResult,
  type WatchEvents,
  type WatchRequest,
  type WorldRecord,
  worldKey,
} from "@atlasnet/core";
import { TinyStore, worldRecord } from "@atlasnet/core/testing";

interface OpenWatch {
  readonly prefix: string;
  readonly events: WatchEvents;
}

/** A control store in memory, whose readings and watches a test breaks. */
export class FakeControlStore implements Pick<ControlStore, "range" | "watch"> {
  readonly tiny = new TinyStore();
  /** Readings fail while this is set. */
  down: Error | undefined;
  readonly watches = new Set<OpenWatch>();
  ranges = 0;
  /** Items of a page; few, so that readings have several. */
  page = 3;

  constructor() {
    this.tiny.onChanges = (changes) => this.deliver(changes);
  }

  put(...operations: Operation[]): number {
    return this.tiny.txn({ compare: [], then: operations }).revision;
  }

  node(node: string, fields: Partial<NodeRecord> = {}): number {
    return this.put({
      type: "put",
      key: nodeKey(node),
      value: encodeRecord("node", gameserverRecord(fields)),
    });
  }

  world(world: string, fields: Partial<WorldRecord> = {}): number {
    return this.put({
      type: "put",
      key: worldKey(world),
      value: encodeRecord("world", worldRecord(fields)),
    });
  }

  /** Returns the epoch. */
  own(world: string, node: string, fields: Partial<OwnerRecord> = {}): number {
    const made = this.tiny.get(worldKey(world))?.created ?? 0;
    const record: OwnerRecord = { world: made, node, boot: "1", state: "owned", ...fields };
    const key = ownerKey(`${world}/0`);
    return this.put({ type: "put", key, value: encodeRecord("owner", record) });
  }

  migrate(world: string, { from, to, epoch }: { from: string; to: string; epoch: number }): number {
    const made = this.tiny.get(worldKey(world))?.created ?? 0;
    const record: MigrationRecord = {
      ...{ id: "0123456789abcdef", world: made, epoch, reason: "operator" },
      ...{ from, fromBoot: "1", to, toBoot: "1", started: 0, deadlineMs: 60_000 },
    };
    const key = migrationKey(`${world}/0`);
    return this.put({ type: "put", key, value: encodeRecord("migration", record) });
  }

  mirror(
    world: string,
    { node, epoch, state }: { node: string; epoch: number; state: MirrorRecord["state"] },
  ): number {
    const made = this.tiny.get(worldKey(world))?.created ?? 0;
    const record = { id: "0123456789abcdef", world: made, epoch, node, boot: "1", state };
    const key = mirrorKey(`${world}/0`);
    return this.put({ type: "put", key, value: encodeRecord("mirror", record) });
  }

  /** Everything below a prefix. */
  all(prefix: string): readonly KeyValue[] {
    return this.tiny.keys(prefix).flatMap((key) => this.tiny.get(key) ?? []);
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    this.ranges += 1;
    if (this.down !== undefined) throw this.down;
    const prefix = "prefix" in request ? request.prefix : request.key;
    const keys = this.tiny
      .keys(prefix)
      .filter((key) => request.after === undefined || key > request.after);
    const items = keys.slice(0, this.page).flatMap((key) => this.tiny.get(key) ?? []);
    return { revision: this.tiny.revision, items, more: keys.length > this.page };
  }

  watch(request: WatchRequest, events: WatchEvents) {
    const open = { prefix: "prefix" in request ? request.prefix : request.key, events };
    this.watches.add(open);
    // A test that changes something between a reading and its watch would see it missed here.
    if (request.after !== this.tiny.revision) queueMicrotask(() => this.end(open, "compacted"));
    return { close: () => void this.watches.delete(open) };
  }

  /** Every watch ends: with a gap, or for a reason. */
  interrupt(why: "compacted" | Error): void {
    for (const open of [...this.watches]) this.end(open, why);
  }

  private end(open: OpenWatch, why: "compacted" | Error): void {
    if (!this.watches.delete(open)) return;
    if (why === "compacted") open.events.compacted({ revision: this.tiny.revision });
    else open.events.failed(why);
  }

  private deliver(changes: readonly Change[]): void {
    const { revision } = this.tiny;
    for (const { prefix, events } of [...this.watches]) {
      const mine = changes.filter((change) =>
        (change.type === "put" ? change.item.key : change.key).startsWith(prefix),
      );
      if (mine.length > 0) events.changed({ revision, changes: mine });
    }
  }
}

export function gameserverRecord(fields: Partial<NodeRecord> = {}): NodeRecord {
  return {
    role: "gameserver",
    labels: {},
    capacity: { weight: 100, sessions: 0, memoryBytes: 0 },
    modules: ["*"],
    address: "10.0.0.5:2556",
    boot: "1",
    fingerprint: "ab".repeat(32),
    state: "ready",
    cordoned: false,
    leaseMs: 5000,
    registered: 0,
    ...fields,
  };
}
