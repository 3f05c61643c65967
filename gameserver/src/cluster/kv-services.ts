import {
  type ControlStore,
  KeyValueStore,
  type KvItem,
  MAX_KV_LIST_ITEMS,
  modifiedIs,
  OperatingError,
  ownerKey,
} from "@atlasnet/core";
import type { Plain } from "@atlasnet/world";
import type { Service } from "../server/services.ts";

/** Longest value that a world may write or read, in bytes: a request carries at most 64 KiB in all. */
export const MAX_KV_REQUEST_VALUE_BYTES = 60_000;
/** A list ends with the item that crosses this many bytes of keys and values, and says `more`. */
const MAX_KV_LIST_BYTES = 32_000;

const NAMES = ["kv.cluster", "kv.node"] as const;

/**
 * The key-value stores as worlds reach them, with `ctx.request("kv.cluster", …)` and `"kv.node"`. A write
 * counts only while the shard is owned at the epoch that asked for it.
 */
export function kvServices(node: string, store: ControlStore): ReadonlyMap<string, Service> {
  const stores = {
    "kv.cluster": new KeyValueStore({ type: "cluster" }, { store }),
    "kv.node": new KeyValueStore({ type: "node", node }, { store }),
  };
  return new Map(
    NAMES.map((name): [string, Service] => [
      name,
      (payload, { shard, epoch }) => {
        const assuming = [modifiedIs(ownerKey(shard), epoch)];
        return answer(stores[name], name, payload, assuming);
      },
    ]),
  );
}

/** Without a control plane: an error that says so, for the world's author to find. */
export function noKvServices(): ReadonlyMap<string, Service> {
  const missing: Service = async () => {
    throw new OperatingError("no-control-plane", "this gameserver belongs to no control plane", {
      hint: "The stores kv.cluster and kv.node exist on nodes with --apiserver.",
    });
  };
  return new Map(NAMES.map((name): [string, Service] => [name, missing]));
}

type Fields = { readonly [field: string]: Plain };
type Assuming = readonly ReturnType<typeof modifiedIs>[];

async function answer(
  kv: KeyValueStore,
  name: string,
  payload: Plain,
  assuming: Assuming,
): Promise<Plain> {
  const fields = fieldsOf(payload);
  if (fields === undefined) throw bad(name, "an object with op is needed");
  const expect = fields["expect"];
  if (expect !== undefined && (!Number.isSafeInteger(expect) || Number(expect) < 0))
    throw bad(name, "expect is a revision: an integer from 0");
  const options = { assuming, ...(expect !== undefined && { expect: Number(expect) }) };
  switch (fields["op"]) {
    case "get": {
      const text = asText(name, fields);
      const item = await kv.get(keyOf(name, fields));
      return item === undefined ? null : shown(item, text);
    }
    case "put":
      return { ...(await kv.put(keyOf(name, fields), bytesOfValue(name, fields), options)) };
    case "delete":
      return { ...(await kv.delete(keyOf(name, fields), options)) };
    case "list":
      return list(kv, name, fields);
    default:
      throw bad(name, "op is one of get, put, delete, list");
  }
}

async function list(kv: KeyValueStore, name: string, fields: Fields): Promise<Plain> {
  const { prefix = "", after, limit = MAX_KV_LIST_ITEMS } = fields;
  if (typeof prefix !== "string") throw bad(name, "prefix is text");
  if (after !== undefined && typeof after !== "string") throw bad(name, "after is a key");
  if (typeof limit !== "number" || !Number.isInteger(limit) || limit < 1)
    throw bad(name, "limit is an integer from 1");
  const text = asText(name, fields);
  const found = await kv.list(prefix, { limit, ...(after !== undefined && { after }) });
  const items: Plain[] = [];
  let bytes = 0;
  for (const item of found.items) {
    bytes += item.key.length * 3 + item.value.length + 32;
    if (items.length > 0 && bytes > MAX_KV_LIST_BYTES) return { items, more: true };
    items.push(shown(item, text));
  }
  return { items, more: found.more };
}

function shown({ key, value, revision }: KvItem, text: boolean): Plain {
  if (value.length > MAX_KV_REQUEST_VALUE_BYTES)
    throw new OperatingError("too-large", `kv: ${key} has ${value.length} bytes`, {
      hint: `Worlds read at most ${MAX_KV_REQUEST_VALUE_BYTES}.`,
    });
  return { key, value: text ? new TextDecoder().decode(value) : value.slice(), revision };
}

function fieldsOf(payload: Plain): Fields | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  if (Array.isArray(payload) || payload instanceof Uint8Array) return undefined;
  return Object.fromEntries(Object.entries(payload));
}

function keyOf(name: string, { key }: Fields): string {
  if (typeof key !== "string") throw bad(name, "key is text");
  return key;
}

function bytesOfValue(name: string, { value }: Fields): Uint8Array {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  if (!(bytes instanceof Uint8Array)) throw bad(name, "value is text or bytes");
  if (bytes.length > MAX_KV_REQUEST_VALUE_BYTES)
    throw new OperatingError("too-large", `${name}: a value of ${bytes.length} bytes`);
  return bytes;
}

function asText(name: string, fields: Fields): boolean {
  const as = fields["as"];
  if (as !== undefined && as !== "text" && as !== "bytes") throw bad(name, "as is text or bytes");
  return as === "text";
}

function bad(name: string, problem: string): OperatingError {
  return new OperatingError("bad-request", `${name}: ${problem}`);
}
