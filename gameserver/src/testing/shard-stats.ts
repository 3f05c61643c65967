import type { ShardStats } from "../host/protocol.ts";

/** A report of a shard where nothing happens, but for the fields given. */
export function shardStats(shard: string, fields: Partial<ShardStats> = {}): ShardStats {
  return {
    shard,
    tick: 1,
    seconds: 1,
    ticks: 60,
    tickSeconds: 0,
    longestTickSeconds: 0,
    sessions: 0,
    attachments: 0,
    clients: 0,
    entities: 0,
    handled: 0,
    applied: 0,
    queued: 0,
    dropped: 0,
    untraced: 0,
    deltaBytes: 0,
    dilationPerMille: 1000,
    steady: true,
    quarantined: false,
    storageProblem: "",
    journalWaitingBytes: 0,
    snapshots: 0,
    ...fields,
  };
}
