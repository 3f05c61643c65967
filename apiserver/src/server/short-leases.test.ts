import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeRecord, type NodeRecord, nodeKey, noopLogger } from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/system";
import { reached } from "@atlasnet/core/testing";
import { apiScene } from "../http/testing/index.ts";
import { ShortLeases } from "./short-leases.ts";

const RECORD: NodeRecord = {
  role: "gameserver",
  labels: {},
  capacity: { weight: 10, sessions: 0, memoryBytes: 0 },
  modules: ["*"],
  address: "10.0.0.5:2556",
  boot: "0123456789abcdef0123456789abcdef",
  fingerprint: "0".repeat(64),
  state: "ready",
  cordoned: false,
  leaseMs: 5000,
  registered: 0,
};

test("gameservers whose leases are shorter than a failover are named, until they are gone or have longer ones", async (t) => {
  const { store, close } = await apiScene();
  t.after(close);
  const leases = new ShortLeases({ store, clock: systemClock, logger: noopLogger });
  t.after(() => leases.stop());
  const put = (node: string, fields: Partial<NodeRecord>) =>
    store.txn({
      compare: [],
      then: [
        { type: "put", key: nodeKey(node), value: encodeRecord("node", { ...RECORD, ...fields }) },
      ],
    });
  await put("gs-1", { leaseMs: 5000 });
  await put("gs-2", { leaseMs: 30_000 });
  await put("px-1", { role: "proxy", leaseMs: 5000 });
  assert.equal(leases.warning, undefined);
  leases.start();
  await reached(() => leases.warning !== undefined);
  assert.match(
    leases.warning ?? "",
    /^worlds of gs-1 \(5000 ms\) stand still .*node.leaseMs = 30000$/,
  );
  for (const node of ["gs-3", "gs-4", "gs-5"]) await put(node, { leaseMs: 6000 });
  await reached(() => /and 1 more/.test(leases.warning ?? ""));
  await put("gs-1", { leaseMs: 30_000 });
  await put("gs-3", { leaseMs: 6000, state: "lost" });
  await store.txn({ compare: [], then: [{ type: "delete", key: nodeKey("gs-4") }] });
  await reached(() => /^worlds of gs-5 \(6000 ms\) stand/.test(leases.warning ?? ""));
  await put("gs-5", { leaseMs: 6000, state: "stopped" });
  await reached(() => leases.warning === undefined);
});
