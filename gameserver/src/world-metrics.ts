import type { Attributes, Counter, Histogram, Meter } from "@opentelemetry/api";
import type { ShardStats } from "./host/protocol.ts";

/** Seconds: from a tenth of a millisecond to the longest a tick may take. */
const TICK_BUCKETS = [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1];

type Gauge = (stats: ShardStats) => number;

/** Figures per world, from what its thread reports once a second. Idle worlds report nothing. */
export class WorldMetrics {
  private readonly latest = new Map<string, ShardStats>();
  private readonly ticks: Counter;
  private readonly tickSeconds: Counter;
  private readonly longestTick: Histogram;
  private readonly handled: Counter;
  private readonly deltaBytes: Counter;
  private readonly faults: Counter;

  constructor(meter: Meter) {
    this.ticks = meter.createCounter("atlasnet_world_ticks_total", { description: "Ticks made" });
    this.tickSeconds = meter.createCounter("atlasnet_world_tick_seconds_total", {
      description: "Time spent in ticks",
      unit: "s",
    });
    this.longestTick = meter.createHistogram("atlasnet_world_longest_tick_seconds", {
      description: "The longest tick of each second",
      unit: "s",
      advice: { explicitBucketBoundaries: TICK_BUCKETS },
    });
    this.handled = meter.createCounter("atlasnet_world_events_total", {
      description: "Inputs, messages and other events handled",
    });
    this.deltaBytes = meter.createCounter("atlasnet_world_delta_bytes_total", {
      description: "Bytes of deltas, as for the journal",
      unit: "By",
    });
    this.faults = meter.createCounter("atlasnet_world_faults_total", {
      description: "Handlers of world code that threw or ran into the time limit",
    });
    const gauges: [string, string, Gauge][] = [
      ["atlasnet_world_sessions", "Players in the world, connected or in grace", (s) => s.sessions],
      ["atlasnet_world_attachments", "Connections attached to the world", (s) => s.attachments],
      ["atlasnet_world_entities", "Entities in the world", (s) => s.entities],
      ["atlasnet_world_queued_events", "Events put off to the next tick", (s) => s.queued],
      ["atlasnet_world_dropped_messages", "Client messages dropped, queue full", (s) => s.dropped],
      [
        "atlasnet_world_untraced_messages",
        "Traced messages not followed, too many",
        (s) => s.untraced,
      ],
      [
        "atlasnet_world_time_dilation",
        "World time over real time",
        (s) => s.dilationPerMille / 1000,
      ],
      ["atlasnet_world_quarantined", "1 when stopped after faults", (s) => Number(s.quarantined)],
      ["atlasnet_journal_waiting_bytes", "Journal not yet synced", (s) => s.journalWaitingBytes],
      ["atlasnet_snapshots", "Snapshots written since the start", (s) => s.snapshots],
    ];
    for (const [name, description, value] of gauges)
      meter.createObservableGauge(name, { description }).addCallback((result) => {
        for (const [shard, stats] of this.latest) result.observe(value(stats), labels(shard));
      });
  }

  record(all: readonly ShardStats[]): void {
    for (const stats of all) {
      const attributes = labels(stats.shard);
      this.latest.set(stats.shard, stats);
      this.ticks.add(stats.ticks, attributes);
      this.tickSeconds.add(stats.tickSeconds, attributes);
      this.longestTick.record(stats.longestTickSeconds, attributes);
      this.handled.add(stats.handled, attributes);
      this.deltaBytes.add(stats.deltaBytes, attributes);
    }
  }

  /** A shard runs here no more: its figures are somebody else's now. */
  forget(shard: string): void {
    this.latest.delete(shard);
  }

  fault(world: string, event: string): void {
    this.faults.add(1, { world, event });
  }

  /** What keeps the disk from taking states, of any world. */
  storageProblem(): string | undefined {
    for (const [shard, { storageProblem }] of this.latest)
      if (storageProblem !== "") return `${shard}: ${storageProblem}`;
    return undefined;
  }

  quarantined(): readonly string[] {
    return [...this.latest.values()].filter((s) => s.quarantined).map((s) => s.shard);
  }
}

function labels(shard: string): Attributes {
  return { world: shard.slice(0, shard.lastIndexOf("/")) };
}
