import { encodeRecord, MAX_RECORD_LEASE_MS, type NodeRecord } from "@atlasnet/core";

const ZONES = ["eu", "us", "asia", "africa"];

/** One of many gameservers. Room for half as much again as there is. */
export function nodeOf(
  index: number,
  { state, worldsPerNode }: { state: NodeRecord["state"]; worldsPerNode: number },
): NodeRecord {
  return {
    role: "gameserver",
    labels: { zone: ZONES[index % ZONES.length] ?? "", rack: `r${index % 40}` },
    capacity: {
      weight: Math.ceil(worldsPerNode * 1.5),
      sessions: 10_000,
      memoryBytes: 2 ** 34,
    },
    modules: ["./arena.js", "./race.js"],
    address: `10.0.${index >> 8}.${index & 255}:2556`,
    boot: bootOf(index),
    fingerprint: "0a".repeat(32),
    state,
    cordoned: false,
    // Longer than a node may ask for: nobody renews it while the bench fills an apiserver.
    leaseMs: MAX_RECORD_LEASE_MS,
    registered: 1_700_000_000_000,
  };
}

export function bootOf(index: number): string {
  return `boot-${index}`;
}

/** The bytes of a world's record. One in eight has to be in a zone; two modules, two policies: twenty kinds of worlds. */
export function worldOf(index: number): Uint8Array {
  const zone = index % 8 === 0 ? ZONES[(index / 8) % ZONES.length] : undefined;
  return encodeRecord("world", {
    module: { source: "node", path: index % 2 === 0 ? "./arena.js" : "./race.js" },
    config: { size: 100, seed: index },
    durability: "journal",
    graceSeconds: 30,
    labels: {},
    constraints: { nodeLabels: zone === undefined ? {} : { zone }, nodes: [] },
    policy: index % 10 === 3 ? "pack" : "spread",
    weight: 1,
    failover: "automatic",
    enabled: true,
  });
}
