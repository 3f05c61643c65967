import { join } from "node:path";
import { comparePositions, type Position } from "./position.ts";

/**
 * Names of the files in a shard's folder. Numbers are padded, so that a listing sorts by history as long
 * as epochs have ten digits; those of a cluster are revisions of its store and may have more:
 *
 * - `run`: the epoch, the timeline and the mark of a clean stop (run-file.ts)
 * - `<epoch>-<tick>.snapshot`: the state after that tick (snapshot-file.ts)
 * - `<epoch>-<base tick>-<part>.journal`: deltas from that tick on (journal-file.ts)
 * - `*.tmp`: a file that was being written when the process ended; removed at the next start
 * - `*.damaged`: a file that could not be read, kept for a person to look at
 * - `*.discarded`: what `--fresh`, or a snapshot of another node, put aside the last time
 * - `fetched`: a snapshot of another node that is being fetched
 * - `<world>.replica`: a state as another node had it, which this one was to take over (a snapshot file). `world` is
 *   `created` of the world's record. It counts until this node has written a snapshot of its own behind it.
 */
export const RUN_FILE = "run";
export const FETCHED_FILE = "fetched";
const TEMPORARY = ".tmp";
const DAMAGED = ".damaged";
const DISCARDED = ".discarded";
const REPLICA = ".replica";

/** The epoch and tick a file's name begins with; for a journal the tick it continues from. */
export interface NamedFile extends Position {
  name: string;
}

export interface ShardFiles {
  /** Oldest first. */
  snapshots: NamedFile[];
  /** Oldest first. */
  journals: NamedFile[];
  temporary: string[];
  /** Oldest first. */
  damaged: string[];
  /** Those of them that were snapshots. */
  damagedSnapshots: string[];
  discarded: string[];
  replicas: string[];
  hasRun: boolean;
  /** The highest epoch in any name, damaged files included; 0 when there is none. */
  highestEpoch: number;
}

const NAMED =
  /^(\d{10,16})-(\d{16})(?:-(\d{6}))?\.(snapshot|journal)((?:\.damaged|\.discarded)+)?$/;

export function snapshotName({ epoch, tick }: Position): string {
  return `${padded(epoch, 10)}-${padded(tick, 16)}.snapshot`;
}

export function journalName(epoch: number, baseTick: number, part: number): string {
  return `${padded(epoch, 10)}-${padded(baseTick, 16)}-${padded(part, 6)}.journal`;
}

export function replicaName(world: number): string {
  return `${padded(world, 10)}${REPLICA}`;
}

export function temporaryName(name: string): string {
  return name + TEMPORARY;
}

export function damagedName(name: string): string {
  return name + DAMAGED;
}

export function discardedName(name: string): string {
  return name + DISCARDED;
}

/** Sorts a folder's names by what they are; names of others are left alone. */
export function sortShardFiles(names: readonly string[]): ShardFiles {
  const files: ShardFiles = {
    snapshots: [],
    journals: [],
    temporary: names.filter((name) => name.endsWith(TEMPORARY)),
    damaged: names.filter((name) => name.endsWith(DAMAGED)).sort(),
    damagedSnapshots: names.filter((name) => name.endsWith(`.snapshot${DAMAGED}`)),
    discarded: names.filter((name) => name.endsWith(DISCARDED)),
    replicas: names.filter((name) => name.endsWith(REPLICA)),
    hasRun: names.includes(RUN_FILE),
    highestEpoch: 0,
  };
  for (const name of [...names].sort()) {
    const parts = NAMED.exec(name);
    if (parts === null) continue;
    const file = { name, epoch: Number(parts[1]), tick: Number(parts[2]) };
    files.highestEpoch = Math.max(files.highestEpoch, file.epoch);
    if (parts[5] !== undefined) continue;
    (parts[4] === "snapshot" ? files.snapshots : files.journals).push(file);
  }
  // As numbers: names of epochs with more digits do not sort behind shorter ones. The parts of one
  // journal stay in the order of their names.
  files.snapshots.sort(comparePositions);
  files.journals.sort(comparePositions);
  return files;
}

/**
 * Journals that may hold deltas after a position. A journal ends where the next snapshot was taken,
 * so one that begins before the position has nothing that comes after it.
 */
export function journalsFrom(files: ShardFiles, position: Position): NamedFile[] {
  return files.journals.filter((journal) => comparePositions(journal, position) >= 0);
}

/** Where a shard's files are within a data directory. */
export function shardFolder(dataDir: string, world: string, shard: string): string {
  return join(dataDir, "worlds", folderName(world), folderName(shard));
}

/** Names that Windows keeps for devices. */
const DEVICES = /^(con|prn|aux|nul|com\d|lpt\d)$/;

/**
 * A folder name for a world or shard, different for different names also where the file system does
 * not tell upper from lower case: everything but a-z, 0-9, _ and - is written as %hex.
 */
export function folderName(name: string): string {
  let folder = "";
  for (const byte of new TextEncoder().encode(name)) {
    const char = String.fromCharCode(byte);
    folder += /[a-z0-9_-]/.test(char) ? char : escaped(byte);
  }
  return DEVICES.test(folder) ? escaped(folder.charCodeAt(0)) + folder.slice(1) : folder;
}

function escaped(byte: number): string {
  return `%${byte.toString(16).padStart(2, "0")}`;
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}
