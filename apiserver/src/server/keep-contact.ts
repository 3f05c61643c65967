import type { Clock, Timer } from "@atlasnet/core";
import type { PeerLinks } from "../raft/shell/peer-links.ts";

const PERIOD_MS = 500;

/**
 * Links to all known apiservers, also while there is nothing to send. So one that is to be added can be
 * reached by a group that has no address of it, and each knows whom it reaches.
 */
export class KeepContact {
  private readonly peers: () => readonly string[];
  private readonly links: Pick<PeerLinks, "to">;
  private readonly clock: Clock;
  private timer: Timer | undefined;
  private stopped = false;

  constructor(
    peers: () => readonly string[],
    { links, clock }: { readonly links: Pick<PeerLinks, "to">; readonly clock: Clock },
  ) {
    this.peers = peers;
    this.links = links;
    this.clock = clock;
  }

  start(): void {
    if (this.stopped) return;
    // It opens one where there is none, with pauses of its own.
    for (const peer of this.peers()) this.links.to(peer);
    this.timer = this.clock.setTimer(PERIOD_MS, () => this.start());
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }
}
