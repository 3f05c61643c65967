import { type Change, decodeRecord, hexOf, parseRecordKey } from "@atlasnet/core";
import * as v from "valibot";
import { apiserverOfKey, decodeApiserver } from "../../members/apiserver-record.ts";
import { migrationJson, movedJson, nodeJson, worldJson } from "../record-schemas.ts";
import { eventsRoute, type Route } from "../route.ts";
import { revisionNumber, revisionText } from "../schemas.ts";

const eventSchema = v.strictObject({
  kind: v.picklist([
    "node",
    "world",
    "shard",
    "owner",
    "migration",
    "moved",
    "mirror",
    "module",
    "apiserver",
  ]),
  /** Of the node, the world, the shard, the apiserver; `name/version` of a module. */
  name: v.string(),
  change: v.picklist(["put", "delete"]),
  modified: revisionNumber,
  /** As the other routes show it; absent with `delete`, and when it cannot be read. */
  record: v.optional(v.unknown()),
});
type EventJson = v.InferOutput<typeof eventSchema>;

export function eventRoutes(): Route[] {
  return [
    eventsRoute({
      method: "GET",
      path: "/v1/events",
      name: "events.watch",
      summary:
        "What happens to nodes, worlds, shards, modules and the members of the apiservers' group, behind the revision `after`.",
      role: "read",
      query: v.strictObject({ after: v.optional(revisionText) }),
      answer: v.strictObject({ revision: revisionNumber, changes: v.array(eventSchema) }),
      handle: ({ query: { after } }) => ({
        request: { prefix: "", ...(after === undefined ? {} : { after }) },
        present: eventOf,
      }),
    }),
  ];
}

/** Undefined for what is no record: key-value stores have watches of their own. */
export function eventOf(change: Change): EventJson | undefined {
  const full = change.type === "put" ? change.item.key : change.key;
  const modified = change.type === "put" ? change.item.modified : change.modified;
  const apiserver = apiserverOfKey(full);
  if (apiserver !== undefined) return apiserverEvent(apiserver, change);
  const key = parseRecordKey(full);
  // Snapshots are recorded for each world all the time: that is no news.
  if (key === undefined || key.kind === "snapshot") return undefined;
  const { kind } = key;
  const name =
    key.kind === "node"
      ? key.node
      : key.kind === "world"
        ? key.world
        : key.kind === "module"
          ? `${key.name}/${key.version}`
          : key.shard;
  const head = { kind, name, modified };
  if (change.type === "delete") return { ...head, change: "delete" };
  const record = recordJson(kind, name, change.item.value, modified);
  return { ...head, change: "put", ...(record === undefined ? {} : { record }) };
}

function apiserverEvent(name: string, change: Change): EventJson {
  const kind = "apiserver";
  if (change.type === "delete") return { kind, name, modified: change.modified, change: "delete" };
  const { value, modified } = change.item;
  const record = decodeApiserver(value);
  return { kind, name, modified, change: "put", ...(record === undefined ? {} : { record }) };
}

function recordJson(
  kind: Exclude<EventJson["kind"], "apiserver">,
  name: string,
  value: Uint8Array,
  modified: number,
): unknown {
  if (kind === "node") {
    const decoded = decodeRecord("node", value);
    return decoded.ok ? nodeJson(name, decoded.record, modified) : undefined;
  }
  if (kind === "world") {
    const decoded = decodeRecord("world", value);
    return decoded.ok ? worldJson(name, decoded.record, modified) : undefined;
  }
  if (kind === "module") {
    const decoded = decodeRecord("module", value);
    return decoded.ok ? { ...decoded.record, digest: hexOf(decoded.record.digest) } : undefined;
  }
  if (kind === "migration") {
    const decoded = decodeRecord("migration", value);
    return decoded.ok ? migrationJson(name, decoded.record, modified) : undefined;
  }
  if (kind === "moved") {
    const decoded = decodeRecord("moved", value);
    return decoded.ok ? movedJson(name, decoded.record, modified) : undefined;
  }
  const decoded = decodeRecord(kind, value);
  return decoded.ok ? decoded.record : undefined;
}
