import { open, seal } from "../edge/sealing.ts";
import { median, round } from "../lib/statistics.ts";

/** Plain bytes of a client's packet: an input and its repeats. */
const CLIENT_PACKET_BYTES = 48;
const ROUNDS = 9;
const TIMES = 5_000;

/**
 * What AES-256-GCM costs in this process, µs: sealing a packet of `bytes` and opening a client's. Nothing
 * else should run meanwhile.
 */
export function sealCostUs(bytes: number): { seal: number; open: number } {
  const plain = new Uint8Array(bytes);
  const packet = seal(1, new Uint8Array(CLIENT_PACKET_BYTES));
  return {
    seal: perCallUs(() => seal(1, plain)),
    open: perCallUs(() => open(packet)),
  };
}

function perCallUs(call: () => unknown): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const startedAt = performance.now();
    for (let i = 0; i < TIMES; i++) call();
    return ((performance.now() - startedAt) * 1000) / TIMES;
  });
  return round(median(rounds));
}
