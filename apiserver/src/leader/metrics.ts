import type { Attributes, Meter } from "@opentelemetry/api";
import type { LeaderRole } from "./leader-role.ts";

type Samples = readonly (readonly [value: number, attributes?: Attributes])[];

/** What the leader measures of leases and placement. An apiserver that does not lead has zeros. */
export function registerLeaderMetrics(
  meter: Meter,
  role: Pick<LeaderRole, "figures" | "takeLongestStepMs">,
): void {
  const gauge = (name: string, description: string, read: () => Samples) =>
    meter.createObservableGauge(name, { description }).addCallback((result) => {
      for (const [value, attributes] of read()) result.observe(value, attributes);
    });
  const counter = (name: string, description: string, read: () => Samples) =>
    meter.createObservableCounter(name, { description }).addCallback((result) => {
      for (const [value, attributes] of read()) result.observe(value, attributes);
    });

  gauge("atlasnet_leases", "Nodes by the state of their lease, at the leader", () => {
    const { known, held, expired } = role.figures.leases;
    return [
      [held, { state: "held" }],
      [expired, { state: "expired" }],
      [known - held - expired, { state: "waiting" }],
    ];
  });
  counter("atlasnet_lease_renewals_total", "Renewals of leases that came here, by answer", () =>
    Object.entries(role.figures.leases.renewals).map(([answer, count]) => [count, { answer }]),
  );
  counter("atlasnet_nodes_declared_lost_total", "Nodes that were proposed to be lost", () => [
    [role.figures.leases.declared],
  ]);
  counter("atlasnet_placement_steps_total", "Steps of placement", () => [
    [role.figures.placement.steps],
  ]);
  counter("atlasnet_placement_step_ms_total", "Time of all steps of placement", () => [
    [role.figures.placement.stepMs],
  ]);
  gauge("atlasnet_placement_longest_step_ms", "Longest step since the last reading", () => [
    [role.takeLongestStepMs()],
  ]);
  gauge("atlasnet_placement_pending", "Shards with a proposal that is not seen yet", () => [
    [role.figures.placement.pending],
  ]);
  gauge("atlasnet_placement_blocked", "Shards that no node can take", () => [
    [role.figures.placement.blocked],
  ]);
  gauge(
    "atlasnet_placement_unmirrored",
    "Shards that should have a mirror, and no node can be it",
    () => [[role.figures.placement.unmirrored]],
  );
  gauge("atlasnet_placement_moving", "Shards that run and are to move", () => [
    [role.figures.placement.moving],
  ]);
  gauge("atlasnet_placement_migrating", "Shards that are being moved while they run", () => [
    [role.figures.placement.migrating],
  ]);
  counter(
    "atlasnet_placement_migrations_total",
    "Migrations that placement began, and those that it aborted, whoever began them",
    () =>
      Object.entries(role.figures.placement.migrations).map(([what, count]) => [count, { what }]),
  );
  counter(
    "atlasnet_placement_transactions_total",
    "Transactions of placement, by outcome: `unknown` got no answer",
    () =>
      Object.entries(role.figures.placement.transactions).map(([outcome, count]) => [
        count,
        { outcome },
      ]),
  );
  gauge("atlasnet_restore_wait", "1 while nobody gets a shard because of a restore", () => [
    [Number(role.figures.waitsAfterRestore)],
  ]);
}
