import {
  type DecodedRecord,
  decodeRecord,
  type KeyValue,
  type MirrorRecord,
  type ModuleRecord,
  type MovedRecord,
  type NodeRecord,
  type OwnerRecord,
  parseRecordKey,
  type ShardRecord,
  type WorldRecord,
} from "@atlasnet/core";
import type { MigrationEntry, MirrorEntry } from "./entries.ts";

/** A record that could not be read: what was known of it before is kept. */
export interface BadRecord {
  readonly key: string;
  readonly problem: string;
}

/**
 * Takes what the records of the store say, one after the other. Undefined: that record is gone, and its revisions
 * are 0. Before each of them the generation that it is of is entered; `now` is handed through.
 */
export interface RecordSink {
  enterGeneration(revision: number, now: number): void;
  setNode(id: string, record: NodeRecord | undefined, modified: number, now: number): void;
  setWorld(
    name: string,
    record: WorldRecord | undefined,
    created: number,
    modified: number,
    now: number,
  ): void;
  setShard(
    name: string,
    world: string,
    record: ShardRecord | undefined,
    modified: number,
    now: number,
  ): void;
  setOwner(
    name: string,
    world: string,
    record: OwnerRecord | undefined,
    modified: number,
    now: number,
  ): void;
  setMigration(name: string, world: string, seen: SeenMigration | undefined, now: number): void;
  setMirror(name: string, world: string, seen: SeenMirror | undefined, now: number): void;
  /** Nothing is said when such a record goes: it is history. */
  setMoved(name: string, record: MovedRecord, now: number): void;
  /** `name@version` */
  setModule(name: string, record: ModuleRecord | undefined): void;
}

/** Of a migration, what its record says. */
export type SeenMigration = Pick<MigrationEntry, "record" | "created" | "modified">;

/** Of a mirror, what its record says. */
export interface SeenMirror extends Pick<MirrorEntry, "modified"> {
  readonly record: MirrorRecord;
}

/**
 * Makes records of keys and bytes. Keys of nothing that is known are passed over; so is what cannot be
 * decoded, and `bad` has it.
 */
export class RecordReader {
  /** What could not be read, for people: at most MAX_BAD_RECORDS, until somebody takes them out. */
  readonly bad: BadRecord[] = [];
  private readonly sink: RecordSink;

  constructor(sink: RecordSink) {
    this.sink = sink;
  }

  put(item: KeyValue, now: number): void {
    const key = parseRecordKey(item.key);
    if (key === undefined) return;
    const { sink } = this;
    sink.enterGeneration(item.modified, now);
    const { value, created, modified } = item;
    switch (key.kind) {
      case "node":
        return this.read(item, decodeRecord("node", value), (record) =>
          sink.setNode(key.node, record, modified, now),
        );
      case "world":
        return this.read(item, decodeRecord("world", value), (record) =>
          sink.setWorld(key.world, record, created, modified, now),
        );
      case "shard":
        return this.read(item, decodeRecord("shard", value), (record) =>
          sink.setShard(key.shard, key.world, record, modified, now),
        );
      case "owner":
        return this.read(item, decodeRecord("owner", value), (record) =>
          sink.setOwner(key.shard, key.world, record, modified, now),
        );
      case "migration":
        return this.read(item, decodeRecord("migration", value), (record) =>
          sink.setMigration(key.shard, key.world, { record, created, modified }, now),
        );
      case "mirror":
        return this.read(item, decodeRecord("mirror", value), (record) =>
          sink.setMirror(key.shard, key.world, { record, modified }, now),
        );
      case "moved":
        return this.read(item, decodeRecord("moved", value), (record) =>
          sink.setMoved(key.shard, record, now),
        );
      case "module":
        return this.read(item, decodeRecord("module", value), (record) =>
          sink.setModule(`${key.name}@${key.version}`, record),
        );
    }
  }

  private read<T>(item: KeyValue, decoded: DecodedRecord<T>, set: (record: T) => void): void {
    if (decoded.ok) set(decoded.record);
    else if (this.bad.length < MAX_BAD_RECORDS)
      this.bad.push({ key: item.key, problem: decoded.problem });
  }

  delete(text: string, revision: number, now: number): void {
    const key = parseRecordKey(text);
    if (key === undefined) return;
    const { sink } = this;
    sink.enterGeneration(revision, now);
    if (key.kind === "node") sink.setNode(key.node, undefined, 0, now);
    else if (key.kind === "world") sink.setWorld(key.world, undefined, 0, 0, now);
    else if (key.kind === "shard") sink.setShard(key.shard, key.world, undefined, 0, now);
    else if (key.kind === "owner") sink.setOwner(key.shard, key.world, undefined, 0, now);
    else if (key.kind === "migration") sink.setMigration(key.shard, key.world, undefined, now);
    else if (key.kind === "mirror") sink.setMirror(key.shard, key.world, undefined, now);
    else if (key.kind === "module") sink.setModule(`${key.name}@${key.version}`, undefined);
  }
}

const MAX_BAD_RECORDS = 100;
