import type { Meter } from "@opentelemetry/api";
import type { ControlPlaneEvents } from "../control/control-plane.ts";

export interface ControlPlaneCounts {
  registrations: number;
  seals: number;
  losses: number;
}

/** The same events, counted. */
export function counted(
  events: ControlPlaneEvents,
  counts: ControlPlaneCounts,
): ControlPlaneEvents {
  return {
    registered: (registration) => {
      counts.registrations += 1;
      events.registered(registration);
    },
    sealed: (reason) => {
      counts.seals += 1;
      events.sealed(reason);
    },
    unsealed: () => events.unsealed(),
    lost: () => {
      counts.losses += 1;
      return events.lost();
    },
  };
}

/** What is shown of a node's tie to the control plane. */
interface Shown {
  readonly registration: object | undefined;
  readonly counts: Readonly<ControlPlaneCounts>;
  mayAct(): boolean;
}

export function registerControlPlaneMetrics(meter: Meter, plane: Shown): void {
  const gauge = (name: string, description: string, read: () => number) =>
    meter
      .createObservableGauge(name, { description })
      .addCallback((result) => result.observe(read()));
  const counter = (name: string, description: string, read: () => number) =>
    meter
      .createObservableCounter(name, { description })
      .addCallback((result) => result.observe(read()));
  gauge("atlasnet_node_registered", "1 while the node is registered with the apiservers", () =>
    plane.registration === undefined ? 0 : 1,
  );
  gauge("atlasnet_node_may_act", "1 while the node holds its lease", () =>
    plane.mayAct() ? 1 : 0,
  );
  counter(
    "atlasnet_node_registrations_total",
    "Registrations: one, and one more for each loss",
    () => plane.counts.registrations,
  );
  counter(
    "atlasnet_node_seals_total",
    "Times the node stopped acting because its lease was not held",
    () => plane.counts.seals,
  );
  counter(
    "atlasnet_node_losses_total",
    "Times the control plane held the node for lost, or was restored",
    () => plane.counts.losses,
  );
}
