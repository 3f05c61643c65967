/**
 * What replica streams of a process did, on both sides together; only grows. The names to export are
 * `atlasnet_replica_…_total`, with what stands here in snake case.
 */
export interface ReplicaCounts {
  /** Pieces and deltas sent by owners, and sent again. */
  piecesSent: number;
  pieceBytesSent: number;
  deltasSent: number;
  deltaBytesSent: number;
  /** The same as followers took them in. */
  piecesReceived: number;
  pieceBytesReceived: number;
  deltasReceived: number;
  deltaBytesReceived: number;
  /** Streams that went on over another link, from where they were. */
  resumes: number;
  /** Copies that were begun anew. */
  restarts: number;
  /** Streams that failed, by either side's doing. */
  failures: number;
}

export function newReplicaCounts(): ReplicaCounts {
  return {
    piecesSent: 0,
    pieceBytesSent: 0,
    deltasSent: 0,
    deltaBytesSent: 0,
    piecesReceived: 0,
    pieceBytesReceived: 0,
    deltasReceived: 0,
    deltaBytesReceived: 0,
    resumes: 0,
    restarts: 0,
    failures: 0,
  };
}
