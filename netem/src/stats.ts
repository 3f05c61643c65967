/**
 * What went one way, since the relay began. For TCP a packet is a segment, as `StreamPath` has them.
 * Every packet of `packets` was counted as lost, queueDrops or overflows, or is delivered or on its way.
 */
export interface DirectionStats {
  /** Packets and bytes that came in. */
  packets: number;
  bytes: number;
  /** Packets and bytes sent on, copies included. */
  delivered: number;
  deliveredBytes: number;
  /** Lost on the line. TCP: stalled until sent again; they are delivered, too. */
  lost: number;
  /** Dropped by a full queue in front of the rate. UDP alone. */
  queueDrops: number;
  /** Dropped because the relay held as much as it may. UDP alone. */
  overflows: number;
  /** Extra copies made. UDP alone. */
  duplicated: number;
  /** Packets that skipped the delay. UDP alone. */
  reordered: number;
}

export interface FlowStats {
  /** Flows now: connections, or pairs of UDP addresses. */
  flows: number;
  /** Flows ever. */
  opened: number;
  /** Packets and connections turned away because there were `maxFlows` already. */
  refused: number;
  /** Sockets that failed: mostly a target where nobody listens. */
  socketErrors: number;
  /** Times a flow got a new local port. UDP alone. */
  rebinds: number;
  readonly up: DirectionStats;
  readonly down: DirectionStats;
}

export function newFlowStats(): FlowStats {
  return {
    flows: 0,
    opened: 0,
    refused: 0,
    socketErrors: 0,
    rebinds: 0,
    up: newDirectionStats(),
    down: newDirectionStats(),
  };
}

function newDirectionStats(): DirectionStats {
  return {
    packets: 0,
    bytes: 0,
    delivered: 0,
    deliveredBytes: 0,
    lost: 0,
    queueDrops: 0,
    overflows: 0,
    duplicated: 0,
    reordered: 0,
  };
}
