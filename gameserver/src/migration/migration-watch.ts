import type { Logger, MigrationRecord } from "@atlasnet/core";
import {
  type Context,
  type Counter,
  type Histogram,
  type Meter,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";

export type MigrationSide = "source" | "target";

/** How one ended, as one side has seen it. */
export interface MigrationEnd {
  readonly outcome: "moved" | "aborted";
  readonly problem: string;
  /** Of the copy. */
  readonly bytes: number;
  readonly gapMs?: number;
}

interface Begun {
  readonly at: number;
  /** Of the phase that it is in. */
  span: Span | undefined;
  phase: string;
}

export interface MigrationWatchDependencies {
  readonly meter: Meter;
  readonly logger: Logger;
  /** Absent: no spans. */
  readonly tracer?: Tracer | undefined;
  /** Ms on a clock that does not go back. */
  now(): number;
}

/**
 * What is told of migrations: lines of the log at their begin and end, figures, and a span for each phase. The spans
 * of both sides are of one trace, which is made of the migration's id.
 */
export class MigrationWatch {
  private readonly dependencies: MigrationWatchDependencies;
  private readonly begins = new Map<string, Begun>();
  private readonly ends: Counter;
  private readonly bytes: Counter;
  private readonly seconds: Histogram;
  private readonly gap: Histogram;

  constructor(dependencies: MigrationWatchDependencies) {
    this.dependencies = dependencies;
    const { meter } = dependencies;
    this.ends = meter.createCounter("atlasnet_migrations_total", {
      description: "Migrations that this node took part in, by side and outcome",
    });
    this.bytes = meter.createCounter("atlasnet_migration_bytes_total", {
      description: "Bytes of copies of worlds that moved, by side",
      unit: "By",
    });
    this.seconds = meter.createHistogram("atlasnet_migration_seconds", {
      description:
        "How long migrations took, from when this node has seen them, by side and outcome",
      unit: "s",
    });
    this.gap = meter.createHistogram("atlasnet_migration_gap_seconds", {
      description: "From the word that the source stands still to when the first tick is due here",
      unit: "s",
    });
  }

  begun(shard: string, record: MigrationRecord, side: MigrationSide): void {
    const { logger, now } = this.dependencies;
    this.begins.set(keyOf(record, side), { at: now(), span: undefined, phase: "" });
    this.phase(record, side, side === "source" ? "waiting" : "preparing");
    const { id, from, to, reason, deadlineMs } = record;
    logger.info("A world is to move while it runs.", {
      ...{ shard, migration: id, side, from, to, reason, deadlineMs },
    });
  }

  phase(record: MigrationRecord, side: MigrationSide, phase: string): void {
    const begun = this.begins.get(keyOf(record, side));
    if (begun === undefined || begun.phase === phase) return;
    begun.phase = phase;
    begun.span?.end();
    begun.span = undefined;
    if (phase === "over" || this.dependencies.tracer === undefined) return;
    const { id, from, to } = record;
    begun.span = this.dependencies.tracer.startSpan(
      `migration.${phase}`,
      { attributes: { migration: id, side, from, to } },
      contextOf(record),
    );
  }

  ended(
    shard: string,
    record: MigrationRecord,
    side: MigrationSide,
    { outcome, problem, bytes, gapMs }: MigrationEnd,
  ): void {
    const key = keyOf(record, side);
    const begun = this.begins.get(key);
    this.begins.delete(key);
    const { logger, now } = this.dependencies;
    const ms = Math.round(now() - (begun?.at ?? now()));
    if (begun?.span !== undefined) {
      if (outcome === "aborted")
        begun.span.setStatus({ code: SpanStatusCode.ERROR, message: problem });
      begun.span.end();
    }
    this.ends.add(1, { side, outcome });
    this.bytes.add(bytes, { side });
    this.seconds.record(ms / 1000, { side, outcome });
    if (gapMs !== undefined) this.gap.record(gapMs / 1000);
    const facts = {
      shard,
      migration: record.id,
      side,
      from: record.from,
      to: record.to,
      bytes,
      ms,
    };
    if (outcome === "aborted")
      return logger.warn("A world did not move; it goes on where it was.", { ...facts, problem });
    const gap = gapMs === undefined ? {} : { gapMs: Math.round(gapMs) };
    if (problem === "") return logger.info("A world has moved.", { ...facts, ...gap });
    logger.error("A world has moved and is opened again, for its replica is gone.", {
      ...{ ...facts, problem },
    });
  }

  /** A fault of this process's own. */
  broken(error: unknown): void {
    this.dependencies.logger.error("A fault of the gameserver's own.", { error });
  }
}

function keyOf({ id }: MigrationRecord, side: MigrationSide): string {
  return `${id} ${side}`;
}

/** The same on both sides, without a word between them. */
function contextOf({ id }: MigrationRecord): Context {
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId: `${id}${id}`,
    spanId: id,
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
  });
}
