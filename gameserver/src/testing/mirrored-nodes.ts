import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { askMirror, type LinkMessage, mirrorKey } from "@atlasnet/core";
import { mirrorView } from "@atlasnet/core/testing";
import { until } from "./counting-node.ts";
import { SHARD, type TwoNodesOptions, twoNodes } from "./two-nodes.ts";

/** Two gameservers whose world can be asked to be mirrored; nobody but the test asks for that. */
export async function mirroredNodes(
  t: TestContext,
  hears?: (message: LinkMessage) => LinkMessage | undefined,
  options?: TwoNodesOptions,
) {
  const nodes = await twoNodes(t, hears, options);
  const { tiny } = nodes;
  const mirror = () => tiny.seen("mirror", mirrorKey(SHARD)).record;
  let ids = 0;
  const ask = (node: string) => {
    // Not those of migrations.
    const id = String(++ids).padStart(16, "f");
    const { generation } = tiny;
    const made = askMirror(SHARD, mirrorView(tiny, "arena", node), { id, node, generation });
    assert.ok(made.ok, JSON.stringify(made));
    assert.ok(tiny.txn(made.txn).succeeded);
  };
  /** In sync by the record, and by what the mirror's node has seen of it. */
  const inSync = () =>
    until(
      () =>
        mirror()?.state === "in-sync" &&
        [nodes.g, nodes.h].some(({ mirrors }) => mirrors?.inSync === 1),
    );
  return { ...nodes, mirror, ask, inSync };
}
