import type { WorldRecord } from "../control/records.ts";

/** A world as it is created, for tests that care about some of its fields. */
export function worldRecord(fields: Partial<WorldRecord> = {}): WorldRecord {
  return {
    module: { source: "node", path: "./arena.js" },
    config: {},
    durability: "journal",
    graceSeconds: 30,
    labels: {},
    constraints: { nodeLabels: {}, nodes: [] },
    policy: "spread",
    weight: 1,
    failover: "automatic",
    enabled: true,
    ...fields,
  };
}
