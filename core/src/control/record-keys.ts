import { WORLD_NAME } from "../config/world-settings.ts";
import { MAX_MODULE_NAME_BYTES, MAX_SHARDS_PER_WORLD, MAX_VERSION_BYTES } from "./records.ts";

/** Keys of the records. Builders take checked names; parsers take keys from anywhere. */

export const NODES = "nodes/";
export const WORLDS = "worlds/";
export const SHARDS = "shards/";
export const MODULES = "modules/";

/** Behind the name of a shard. */
const OWNER = "/owner";
const SNAPSHOT = "/snapshot";
const MIGRATION = "/migration";
const MOVED = "/moved";
const MIRROR = "/mirror";

const ABOUT_SHARD = [
  ["owner", OWNER],
  ["snapshot", SNAPSHOT],
  ["migration", MIGRATION],
  ["moved", MOVED],
  ["mirror", MIRROR],
] as const;

/** The same as the setting `node.id`. */
const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
export const NODE_NAME_ALLOWED = "letters, digits, ., - and _, at most 64, a letter or digit first";
/** Names of npm packages, in lower case, with or without a scope. */
const MODULE_NAME = /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/;
const VERSION = /^\d{1,9}\.\d{1,9}\.\d{1,9}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;
const SHARD_INDEX = /^(?:0|[1-9]\d{0,3})$/;

export type RecordKey =
  | { readonly kind: "node"; readonly node: string }
  | { readonly kind: "world"; readonly world: string }
  | { readonly kind: "shard"; readonly shard: string; readonly world: string }
  | { readonly kind: "owner"; readonly shard: string; readonly world: string }
  | { readonly kind: "snapshot"; readonly shard: string; readonly world: string }
  | { readonly kind: "migration"; readonly shard: string; readonly world: string }
  | { readonly kind: "moved"; readonly shard: string; readonly world: string }
  | { readonly kind: "mirror"; readonly shard: string; readonly world: string }
  | { readonly kind: "module"; readonly name: string; readonly version: string };

export function isNodeName(text: string): boolean {
  return NODE_ID.test(text);
}

export function isWorldName(text: string): boolean {
  return WORLD_NAME.test(text);
}

export function isModuleName(text: string): boolean {
  return text.length <= MAX_MODULE_NAME_BYTES && MODULE_NAME.test(text);
}

export function isModuleVersion(text: string): boolean {
  return text.length <= MAX_VERSION_BYTES && VERSION.test(text);
}

export function nodeKey(node: string): string {
  return `${NODES}${node}`;
}

export function worldKey(world: string): string {
  return `${WORLDS}${world}`;
}

/** `shard` as everywhere: `<world>/<index>`. */
export function shardKey(shard: string): string {
  return `${SHARDS}${shard}`;
}

export function ownerKey(shard: string): string {
  return `${SHARDS}${shard}${OWNER}`;
}

/** Of the newest snapshot of a shard in the store that all nodes reach. */
export function snapshotKey(shard: string): string {
  return `${SHARDS}${shard}${SNAPSHOT}`;
}

/** Of the migration of a shard that is under way. */
export function migrationKey(shard: string): string {
  return `${SHARDS}${shard}${MIGRATION}`;
}

/** Of how a shard's last migration ended. */
export function movedKey(shard: string): string {
  return `${SHARDS}${shard}${MOVED}`;
}

/** Of who follows a mirrored shard. */
export function mirrorKey(shard: string): string {
  return `${SHARDS}${shard}${MIRROR}`;
}

export function moduleKey(name: string, version: string): string {
  return `${MODULES}${name}/${version}`;
}

/** The name of a world's first shard, and of its only one so far. */
export function firstShard(world: string): string {
  return `${world}/0`;
}

/** The world of a shard's name, or undefined when it is none. */
export function worldOfShard(shard: string): string | undefined {
  const slash = shard.indexOf("/");
  const world = shard.slice(0, Math.max(0, slash));
  const index = shard.slice(slash + 1);
  if (!isWorldName(world) || !SHARD_INDEX.test(index)) return undefined;
  return Number(index) < MAX_SHARDS_PER_WORLD ? world : undefined;
}

/** @throws RangeError for what is no name of a shard */
export function worldNameOf(shard: string): string {
  const world = worldOfShard(shard);
  if (world === undefined) throw new RangeError(`${shard} is no name of a shard`);
  return world;
}

/** What a key is about; undefined when it is of none of these records. */
export function parseRecordKey(key: string): RecordKey | undefined {
  if (key.startsWith(NODES)) {
    const node = key.slice(NODES.length);
    return isNodeName(node) ? { kind: "node", node } : undefined;
  }
  if (key.startsWith(WORLDS)) {
    const world = key.slice(WORLDS.length);
    return isWorldName(world) ? { kind: "world", world } : undefined;
  }
  if (key.startsWith(SHARDS)) {
    const [kind, end] = ABOUT_SHARD.find(([, ending]) => key.endsWith(ending)) ?? ["shard", ""];
    const shard = key.slice(SHARDS.length, key.length - end.length);
    const world = worldOfShard(shard);
    return world === undefined ? undefined : { kind, shard, world };
  }
  if (key.startsWith(MODULES)) {
    const slash = key.lastIndexOf("/");
    const name = key.slice(MODULES.length, Math.max(MODULES.length, slash));
    const version = key.slice(slash + 1);
    if (isModuleName(name) && isModuleVersion(version)) return { kind: "module", name, version };
  }
  return undefined;
}
