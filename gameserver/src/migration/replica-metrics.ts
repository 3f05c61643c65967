import type { Meter } from "@opentelemetry/api";
import type { ReplicaCounts } from "../replica/counts.ts";

const DESCRIPTIONS: { readonly [name in keyof ReplicaCounts]: string } = {
  piecesSent: "Pieces of copies of worlds that were sent to other gameservers",
  pieceBytesSent: "Bytes of pieces that were sent",
  deltasSent: "Ticks' changes that were sent to other gameservers",
  deltaBytesSent: "Bytes of changes that were sent",
  piecesReceived: "Pieces of copies of worlds that came from other gameservers",
  pieceBytesReceived: "Bytes of pieces that came",
  deltasReceived: "Ticks' changes that came from other gameservers",
  deltaBytesReceived: "Bytes of changes that came",
  resumes: "Replica streams that went on over another link from where they were",
  restarts: "Copies that were begun anew",
  failures: "Replica streams that failed",
};

/** What replica streams did, on both sides together. */
export function registerReplicaMetrics(meter: Meter, counts: ReplicaCounts): void {
  for (const [name, description] of Object.entries(DESCRIPTIONS)) {
    const key = name as keyof ReplicaCounts;
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    meter
      .createObservableCounter(`atlasnet_replica_${snake}_total`, { description })
      .addCallback((result) => result.observe(counts[key]));
  }
}
