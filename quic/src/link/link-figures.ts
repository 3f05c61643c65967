import type { Peer } from "@atlasnet/core";
import type { QuicConnectionStats } from "../transport/quic-connection.ts";
import type { QuicLink } from "./quic-link.ts";

/** One link as metrics show it. */
export interface LinkFigures extends QuicConnectionStats {
  readonly peer: Peer;
  /** `address:port` */
  readonly remote: string;
  readonly generation: number;
  readonly version: number;
  readonly channels: number;
  /** Sent and not yet taken by the peer's handlers. */
  readonly queuedBytes: number;
}

export function linkFigures(link: QuicLink): LinkFigures {
  const { peer, generation, version, connection } = link;
  return {
    ...connection.stats,
    ...link.load,
    peer,
    generation,
    version,
    remote: connection.remote,
  };
}
