import { encodeRecord, type WorldRecord } from "@atlasnet/core";
import { hash128 } from "../shard/murmur128.ts";

/**
 * What of a world's record matters to the one who runs it; the rest says where it runs. Another one where that differs:
 * a hash, for there is one of every world that is open.
 */
export function runsAs(record: WorldRecord): string {
  const bytes = encodeRecord("world", {
    ...record,
    labels: {},
    constraints: { nodeLabels: {}, nodes: [] },
    policy: "spread",
    weight: 1,
    failover: "automatic",
    enabled: true,
  });
  const { a, b, c, d } = hash128(bytes);
  return String.fromCharCode(...new Uint8Array(Int32Array.of(a, b, c, d).buffer));
}
