import { encodeRecord, type WorldRecord } from "@atlasnet/core";

/** What of a world's record matters to the one who runs it; the rest says where it runs. */
export function runsAs(record: WorldRecord): Uint8Array {
  return encodeRecord("world", {
    ...record,
    labels: {},
    constraints: { nodeLabels: {}, nodes: [] },
    policy: "spread",
    weight: 1,
    failover: "automatic",
    enabled: true,
  });
}
