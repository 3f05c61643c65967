import type { Socket } from "node:net";
import type { Clock, Timer } from "@atlasnet/core";
import type { RelayLimits } from "./limits.ts";
import type { Conditions } from "./model/conditions.ts";
import type { PathKey } from "./model/draw.ts";
import { StreamPath } from "./model/stream-path.ts";
import type { DirectionStats } from "./stats.ts";

/** What Ethernet leaves a TCP segment for data. Longer chunks are several segments. */
export const SEGMENT_BYTES = 1_460;

/** What travels: bytes, the end of the stream, or the end of the connection. */
type Item = Uint8Array | "end" | "reset";

/** One direction of a TCP connection: reads one socket, writes the other when the model says so. */
export class TcpPipe {
  private readonly from: Socket;
  private readonly to: Socket;
  private readonly stats: DirectionStats;
  private readonly conditions: () => Conditions;
  private readonly limits: RelayLimits;
  private readonly clock: Clock;
  private readonly path: StreamPath<Item>;
  private wake: Timer | undefined;
  private ended: "end" | "reset" | undefined;
  private blocked = false;
  private stopped = false;

  constructor(
    options: {
      from: Socket;
      to: Socket;
      path: PathKey;
      stats: DirectionStats;
      conditions: () => Conditions;
      limits: RelayLimits;
    },
    { clock }: { clock: Clock },
  ) {
    const { from, to } = options;
    this.from = from;
    this.to = to;
    this.stats = options.stats;
    this.conditions = options.conditions;
    this.limits = options.limits;
    this.clock = clock;
    this.path = new StreamPath<Item>(options.path);
    from.on("data", (chunk: Uint8Array) => this.arrived(chunk));
    from.once("end", () => this.over("end"));
    from.once("close", (failed: boolean) => {
      // Behind an end in order only a failure is news.
      if (failed || this.ended === undefined) this.over("reset");
    });
    to.on("drain", () => {
      this.blocked = false;
      this.pump();
    });
    to.once("close", () => {
      this.stop();
      // Nobody gets it, but a paused socket would never say that it is closed.
      from.resume();
    });
  }

  stop(): void {
    this.stopped = true;
    this.wake?.cancel();
    this.wake = undefined;
  }

  private arrived(chunk: Uint8Array): void {
    if (this.stopped) return;
    for (let start = 0; start < chunk.length; start += SEGMENT_BYTES)
      this.push(chunk.subarray(start, start + SEGMENT_BYTES));
    this.pump();
  }

  /** Whoever ends travels behind what was said before, and through a cut not at all. */
  private over(how: "end" | "reset"): void {
    if (this.stopped || this.ended === "reset") return;
    this.ended = how;
    this.push(how);
    this.pump();
  }

  private push(item: Item): void {
    const bytes = typeof item === "string" ? 0 : item.length;
    this.stats.packets += 1;
    this.stats.bytes += bytes;
    if (this.path.push(item, bytes, this.clock.now(), this.conditions())) this.stats.lost += 1;
  }

  private pump(): void {
    if (this.stopped) return;
    const now = this.clock.now();
    const conditions = this.conditions();
    this.to.cork();
    while (!this.blocked) {
      const arrived = this.path.shift(now, conditions);
      if (arrived === undefined) break;
      this.deliver(arrived.item);
    }
    this.to.uncork();
    const full =
      this.path.heldBytes > this.limits.maxStreamBytes ||
      this.path.backlog(now, conditions) > conditions.queueBytes;
    if (full !== this.from.isPaused()) {
      if (full) this.from.pause();
      else this.from.resume();
    }
    this.wake?.cancel();
    const { wakeAt } = this.path;
    // A blocked pipe comes back with the drain.
    this.wake =
      wakeAt === undefined || this.blocked || this.stopped
        ? undefined
        : this.clock.setTimer(Math.max(0, wakeAt - now), () => this.pump());
  }

  private deliver(item: Item): void {
    this.stats.delivered += 1;
    if (item === "end") this.to.end();
    else if (item === "reset") this.to.resetAndDestroy();
    else {
      this.stats.deliveredBytes += item.length;
      this.blocked = !this.to.write(item);
    }
  }
}
