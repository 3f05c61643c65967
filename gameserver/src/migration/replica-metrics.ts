import { MIGRATION_PHASES, type MigrationProgress } from "@atlasnet/core";
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

const SIDES = ["source", "target"] as const;

export interface MeasuredMigrations {
  readonly counts: ReplicaCounts;
  progressOf(side: (typeof SIDES)[number]): Iterable<MigrationProgress>;
}

/** What replica streams did, on both sides together, and the migrations under way. */
export function registerReplicaMetrics(meter: Meter, migrations: MeasuredMigrations): void {
  const { counts } = migrations;
  meter
    .createObservableGauge("atlasnet_migrations_under_way", {
      description: "Migrations that this node takes part in now, by side and phase",
    })
    .addCallback((result) => {
      for (const side of SIDES) {
        const all = [...migrations.progressOf(side)];
        for (const phase of MIGRATION_PHASES)
          result.observe(all.filter((each) => each.phase === phase).length, { side, phase });
      }
    });
  meter
    .createObservableGauge("atlasnet_migration_lag_ticks", {
      description: "Ticks that a target is behind this node at most, of worlds that leave it",
    })
    .addCallback((result) => {
      const lags = [...migrations.progressOf("source")].map(({ lagTicks }) => lagTicks);
      result.observe(Math.max(0, ...lags));
    });
  for (const [name, description] of Object.entries(DESCRIPTIONS)) {
    const key = name as keyof ReplicaCounts;
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    meter
      .createObservableCounter(`atlasnet_replica_${snake}_total`, { description })
      .addCallback((result) => result.observe(counts[key]));
  }
}
