/** What a relay holds at most, and what happens there. */
export interface RelayLimits {
  /** Flows at a time, of TCP and of UDP each. Further ones are turned away and counted as `refused`. */
  readonly maxFlows: number;
  /** A UDP flow without a packet for so long is forgotten. TCP connections stay until they are closed. */
  readonly idleMs: number;
  /** Bytes of datagrams on the way, all flows together. Further ones are dropped as `overflows`. */
  readonly maxHeldBytes: number;
  /** Bytes on the way per direction of a TCP connection. Above it the sender is not read. */
  readonly maxStreamBytes: number;
}

export const DEFAULT_RELAY_LIMITS: RelayLimits = {
  maxFlows: 1_024,
  idleMs: 60_000,
  maxHeldBytes: 67_108_864,
  maxStreamBytes: 1_048_576,
};
