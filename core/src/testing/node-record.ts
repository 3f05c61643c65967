import type { NodeRecord } from "../control/records.ts";

/** A gameserver as it registers, for tests that care about some of its fields. */
export function nodeRecord(
  fields: Partial<Omit<NodeRecord, "cordoned">> = {},
): Omit<NodeRecord, "cordoned"> {
  return {
    role: "gameserver",
    labels: {},
    capacity: { weight: 100, sessions: 0, memoryBytes: 0 },
    modules: ["*"],
    address: "127.0.0.1:1",
    boot: "boot",
    fingerprint: "00".repeat(32),
    state: "starting",
    leaseMs: 10_000,
    registered: 0,
    ...fields,
  };
}
