import type { Clock, NodeLoad } from "@atlasnet/core";
import type { ProxyCounters } from "../metrics.ts";

/** What a proxy says of itself with each renewal. */
export class LoadMeter {
  private readonly counters: Readonly<ProxyCounters>;
  private readonly clock: Pick<Clock, "now">;
  private readonly memoryBytes: () => number;
  private lastBytes: number;
  private lastAt: number;
  private bytesPerSecond = 0;

  constructor(dependencies: {
    readonly counters: Readonly<ProxyCounters>;
    readonly clock: Pick<Clock, "now">;
    memoryBytes(): number;
  }) {
    this.counters = dependencies.counters;
    this.clock = dependencies.clock;
    this.memoryBytes = () => dependencies.memoryBytes();
    this.lastBytes = this.bytes();
    this.lastAt = this.clock.now();
  }

  /** Bytes are those to and from players, since the last time this was asked. */
  load(): NodeLoad {
    const { openFramed, openWebSocket, openUdp } = this.counters;
    const [now, bytes] = [this.clock.now(), this.bytes()];
    const elapsedMs = now - this.lastAt;
    if (elapsedMs >= MIN_ELAPSED_MS) {
      this.bytesPerSecond = Math.round(((bytes - this.lastBytes) * 1000) / elapsedMs);
      this.lastBytes = bytes;
      this.lastAt = now;
    }
    return {
      sessions: openFramed + openWebSocket + openUdp,
      memoryBytes: this.memoryBytes(),
      // There is no world here that ticks.
      busy: 0,
      tickMs: 0,
      bytesPerSecond: this.bytesPerSecond,
    };
  }

  private bytes(): number {
    const { bytesIn, bytesOut, udp } = this.counters;
    // What came over UDP is among the first already, as messages.
    return bytesIn + bytesOut + udp.bytesOut;
  }
}

/** Over less time than this a rate says nothing. */
const MIN_ELAPSED_MS = 100;
