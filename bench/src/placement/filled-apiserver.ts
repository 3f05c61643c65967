import { readFile } from "node:fs/promises";
import { ApiClient, ControlClient } from "@atlasnet/apiserver/client";
import {
  encodeRecord,
  firstShard,
  nodeKey,
  type Operation,
  ownerKey,
  shardKey,
  worldKey,
} from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { ApiserverCluster } from "atlasnet/testing";
import { bootOf, nodeOf, worldOf } from "./records.ts";

/** Worlds of one transaction: each takes two operations with its owner. */
const WORLDS_AT_ONCE = 100;
const NODES_AT_ONCE = 200;

/** A real apiserver with a large cluster in its store, every world owned. */
export async function fillApiserver({ nodes, worlds }: { nodes: number; worlds: number }) {
  const cluster = await ApiserverCluster.start({ count: 1 });
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error("there is no apiserver");
  const client = new ApiClient(
    { addresses: [node.api], token: await node.token() },
    { clock: systemClock, random: systemRandom },
  );
  try {
    const emptyMB = await residentMB(node.pid);
    const store = new ControlClient({ client });
    const write = async (then: readonly Operation[]) =>
      (await store.txn({ compare: [], then })).revision;
    const worldsPerNode = worlds / nodes;
    for (const piece of inPieces(nodes, NODES_AT_ONCE))
      await write(
        piece.map((index) => ({
          type: "put",
          key: nodeKey(`gs-${index}`),
          value: encodeRecord("node", nodeOf(index, { state: "ready", worldsPerNode })),
        })),
      );
    for (const piece of inPieces(worlds, WORLDS_AT_ONCE)) {
      const created = await write(
        piece.map((index) => ({
          type: "put",
          key: worldKey(`w${index}`),
          value: worldOf(index),
        })),
      );
      await write(piece.flatMap((index) => ownedBy(index, index % nodes, created)));
    }
    const checkpointBytes = await lengthOf(
      await client.download({ method: "GET", path: "/v1/backup" }),
    );
    return { emptyMB, filledMB: await residentMB(node.pid), checkpointMB: checkpointBytes / 1e6 };
  } finally {
    client.close();
    await cluster.stop();
  }
}

function ownedBy(world: number, node: number, created: number): Operation[] {
  const shard = firstShard(`w${world}`);
  const name = `gs-${node}`;
  return [
    {
      type: "put",
      key: shardKey(shard),
      value: encodeRecord("shard", { wanted: name, reason: "placed" }),
    },
    {
      type: "put",
      key: ownerKey(shard),
      value: encodeRecord("owner", {
        ...{ world: created, node: name },
        ...{ boot: bootOf(node), state: "owned" },
      }),
    },
  ];
}

/** The numbers below `count`, so many together. */
function inPieces(count: number, size: number): number[][] {
  return Array.from({ length: Math.ceil(count / size) }, (_, piece) =>
    Array.from(
      { length: Math.min(size, count - piece * size) },
      (_, index) => piece * size + index,
    ),
  );
}

/** As Linux counts it. */
async function residentMB(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1000;
}

async function lengthOf(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of chunks) bytes += chunk.length;
  return bytes;
}
