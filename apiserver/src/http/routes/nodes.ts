import {
  type ControlStore,
  cordonNode,
  drainNode,
  generationOf,
  isNodeName,
  NODES,
  type NodeRecord,
  nodeKey,
  type Proposal,
  removeNode,
  undrainNode,
} from "@atlasnet/core";
import * as v from "valibot";
import { ApiError } from "../api-error.ts";
import { propose, type Read, readRecord, recordOf } from "../record-access.ts";
import { nodeJson, nodeSchema } from "../record-schemas.ts";
import { type Call, jsonRoute, type Route } from "../route.ts";
import type { RouteParts } from "../route-parts.ts";
import { changedSchema, limitText, nodeName, revisionNumber } from "../schemas.ts";

const params = v.strictObject({ node: nodeName });

export function nodeRoutes({ store, logger, load }: RouteParts): Route[] {
  return [
    jsonRoute({
      method: "GET",
      path: "/v1/nodes",
      name: "nodes.list",
      summary: "The registered nodes, page by page: `after` is the last one of the page before.",
      role: "read",
      query: v.strictObject({ after: v.optional(nodeName), limit: v.optional(limitText()) }),
      answer: v.strictObject({
        revision: revisionNumber,
        nodes: v.array(nodeSchema),
        more: v.boolean(),
        /** The last one of this page. */
        last: v.optional(v.string()),
      }),
      handle: async ({ query: { after, limit } }) => {
        const { revision, items, more } = await store.range({
          prefix: NODES,
          ...(after === undefined ? {} : { after: nodeKey(after) }),
          ...(limit === undefined ? {} : { limit }),
        });
        const loads = await load?.loads();
        const nodes = items.flatMap((item) => {
          const node = item.key.slice(NODES.length);
          const record = recordOf("node", item, logger);
          return record === undefined
            ? []
            : [nodeJson(node, record, item.modified, loads?.get(node))];
        });
        const last = items.at(-1)?.key.slice(NODES.length);
        return { revision, nodes, more, ...(last === undefined ? {} : { last }) };
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/v1/nodes/{node}",
      name: "nodes.show",
      summary: "One node.",
      role: "read",
      params,
      answer: nodeSchema,
      handle: async ({ params: { node } }) => {
        const { record, modified } = await readRecord(store, "node", nodeKey(node));
        if (record === undefined) throw noNode(node);
        return nodeJson(node, record, modified, (await load?.loads())?.get(node));
      },
    }),
    ...CHANGES.map(({ what, summary, change }) =>
      jsonRoute({
        method: "POST",
        path: `/v1/nodes/{node}/${what}`,
        name: `nodes.${what}`,
        summary,
        role: "operate",
        changes: true,
        params,
        answer: changedSchema,
        handle: async ({ params: { node } }) => {
          const revision = await propose(
            store,
            () => readRecord(store, "node", nodeKey(node)),
            (before) => change(node, before),
            (code, problem) => refusal(node, code, problem),
          );
          return { revision };
        },
      }),
    ),
    jsonRoute({
      method: "DELETE",
      path: "/v1/nodes/{node}",
      name: "nodes.remove",
      summary: "Forgets a node that is lost or stopped.",
      role: "operate",
      changes: true,
      params,
      answer: changedSchema,
      handle: async ({ params: { node } }, call) => ({ revision: await remove(store, node, call) }),
    }),
  ];
}

type Refusal = "no-node" | "restored" | "gone" | "not-draining" | "not-gameserver";

const CHANGES: readonly {
  readonly what: string;
  readonly summary: string;
  change(node: string, before: Read<NodeRecord>): Proposal<Refusal>;
}[] = [
  {
    what: "cordon",
    summary: "Keeps new shards away from a node; what it has stays.",
    change: (node, before) => cordonNode(node, before, before.generation, true),
  },
  {
    what: "uncordon",
    summary: "Lets new shards come to a node again.",
    change: (node, before) => cordonNode(node, before, before.generation, false),
  },
  {
    what: "drain",
    summary:
      "Empties a gameserver of the worlds whose failover is automatic, one by one; the others stay until it stops.",
    change: (node, before) =>
      // A second time changes nothing, and says so with the same answer.
      before.record?.role === "gameserver" &&
      before.record.state === "draining" &&
      generationOf(before.modified) === before.generation
        ? { ok: true, txn: { compare: [], then: [] } }
        : drainNode(node, before, before.generation),
  },
  {
    what: "undrain",
    summary: "Takes a drain back.",
    change: (node, before) => undrainNode(node, before, before.generation),
  },
];

async function remove(store: ControlStore, node: string, { id }: Call): Promise<number> {
  const key = nodeKey(node);
  if (!isNodeName(node)) throw noNode(node);
  const before = await readRecord(store, "node", key);
  const proposed = removeNode(node, before);
  const withId = id === undefined ? {} : { id };
  if (proposed.ok) {
    const { succeeded, revision } = await store.txn({ ...proposed.txn, ...withId });
    if (succeeded) return revision;
    throw new ApiError(
      "conflict",
      `node ${node} has changed meanwhile`,
      "Look at it, and decide anew.",
    );
  }
  if (proposed.code === "not-gone")
    throw new ApiError(
      "conflict",
      proposed.problem,
      "A node that is lost or stopped owns nothing, so it can be forgotten.",
    );
  // It may be gone because this is a retry: then the id has its answer, and otherwise nothing happens.
  if (id !== undefined) {
    const compare = [{ type: "modified", key, is: "greater", revision: 0 } as const];
    const { succeeded, revision } = await store.txn({ ...withId, compare, then: [] });
    if (succeeded) return revision;
  }
  throw noNode(node);
}

function refusal(node: string, code: Refusal, problem: string): ApiError {
  if (code === "no-node") return noNode(node);
  return new ApiError("conflict", problem, HINTS[code]);
}

const HINTS: { readonly [code in Exclude<Refusal, "no-node">]: string } = {
  restored: "Wait until it has registered again, as it does by itself when it runs, or is lost.",
  gone: "`atlasnet node show` says how it is.",
  "not-draining": "`atlasnet node show` says how it is.",
  "not-gameserver":
    "Stop a proxy with SIGTERM: it lets nobody in any more, and its players go on through another one.",
};

function noNode(node: string): ApiError {
  return new ApiError("not-found", `there is no node ${node}`, "`atlasnet node ls` shows them.");
}
