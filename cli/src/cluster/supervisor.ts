import { type Clock, OperatingError } from "@atlasnet/core";
import type { Child } from "./child.ts";
import type { ClusterRole, NodePlan } from "./layout.ts";
import { ManagedNode } from "./managed-node.ts";
import type { NodeFigures } from "./metrics-text.ts";
import type { Probe } from "./probe.ts";
import type { RestartPolicy } from "./restart-policy.ts";
import type { NodeRow, NodeState } from "./table.ts";

export interface SupervisorOptions {
  readonly plans: readonly NodePlan[];
  readonly restarts: RestartPolicy;
  readonly stopTimeoutMs: number;
}

export interface SupervisorDependencies {
  readonly clock: Clock;
  /** Starts the process of a node; `first` is false for a restart. */
  spawn(plan: NodePlan, first: boolean): Child;
  probe(plan: NodePlan): Promise<Probe>;
  changed(plan: NodePlan, state: NodeState, note: string): void;
}

/**
 * The processes of a cluster. They start together, as each waits for the others by itself, and stop in order:
 * players first leave the proxies, then the gameservers save their worlds, then the apiservers go, who take them back.
 */
export class Supervisor {
  private readonly entries: readonly { plan: NodePlan; node: ManagedNode }[];
  private readonly clock: Clock;
  private stopped: Promise<void> | undefined;
  private isRolling = false;
  private readonly over: Promise<void>;
  private readonly ready: Promise<void>;
  private tellOver: () => void = () => undefined;
  private tellReady: () => void = () => undefined;

  constructor(options: SupervisorOptions, dependencies: SupervisorDependencies) {
    const { plans, restarts, stopTimeoutMs } = options;
    const { clock } = dependencies;
    this.clock = clock;
    this.over = new Promise((resolve) => {
      this.tellOver = resolve;
    });
    this.ready = new Promise((resolve) => {
      this.tellReady = resolve;
    });
    this.entries = plans.map((plan) => ({
      plan,
      node: new ManagedNode(
        { node: plan.node, restarts, stopTimeoutMs },
        {
          clock,
          spawn: (first) => dependencies.spawn(plan, first),
          probe: () => dependencies.probe(plan),
          changed: (state, note) => {
            dependencies.changed(plan, state, note);
            this.look();
          },
        },
      ),
    }));
  }

  start(): void {
    for (const { node } of this.entries) node.start();
  }

  /** Resolves when all are ready at the same time, for the first time. */
  allReady(): Promise<void> {
    return this.ready;
  }

  /** Resolves when none is left and none will be started. */
  allOver(): Promise<void> {
    return this.over;
  }

  pidOf(node: string): number | undefined {
    return this.entries.find(({ plan }) => plan.node === node)?.node.pid;
  }

  /** The apiserver that leads, as far as it was heard. */
  leader(): string | undefined {
    return this.entries.find(({ node }) => node.figures.leads)?.plan.node;
  }

  rows(): NodeRow[] {
    const count = (role: ClusterRole) =>
      this.entries.filter(({ plan }) => plan.role === role).length;
    const [proxies, gameservers] = [count("proxy"), count("gameserver")];
    const placed = count("apiserver") > 0;
    return this.entries.map(({ plan, node }) => ({
      node: plan.node,
      role: plan.role,
      pid: node.pid,
      state: node.state,
      players: node.figures.players,
      linksUp: node.figures.linksUp,
      // With apiservers a link is made when a player needs it.
      linksWanted: placed ? undefined : plan.role === "proxy" ? gameservers : proxies,
      cores: node.cores,
      rssBytes: node.figures.rssBytes,
      restarts: node.restarts,
      serves: serves(plan, node.figures),
    }));
  }

  /** Stops the proxies, the gameservers, then the apiservers. Idempotent; resolves once all are gone. */
  stop(): Promise<void> {
    this.stopped ??= this.stopInOrder();
    return this.stopped;
  }

  /**
   * Ends the processes one after the other, in order, and starts each again: proxies, gameservers, then apiservers,
   * whose leader comes last. The next one's turn is when the one before is ready. `rolled` is told of each.
   * @throws OperatingError when one does not come back: those after it are left as they are; or when a roll is under way
   */
  async roll(rolled: (node: string, ms: number) => void): Promise<void> {
    if (this.isRolling)
      throw new OperatingError("rolling", "the cluster is being rolled already", {
        hint: "Wait until that is over.",
      });
    this.isRolling = true;
    const { clock } = this;
    try {
      for (const entry of this.inOrderOfRolling()) {
        const began = clock.now();
        await entry.node.roll();
        rolled(entry.plan.node, clock.now() - began);
      }
    } finally {
      this.isRolling = false;
    }
  }

  private *inOrderOfRolling() {
    const of = (wanted: ClusterRole) => this.entries.filter(({ plan }) => plan.role === wanted);
    yield* of("proxy");
    yield* of("gameserver");
    // Asked for late: another one may lead by then.
    const apiservers = new Set(of("apiserver"));
    while (apiservers.size > 0) {
      const next = [...apiservers].find(({ node }) => !node.figures.leads) ?? [...apiservers][0];
      if (next === undefined) return;
      apiservers.delete(next);
      yield next;
    }
  }

  /** Ends all processes at once. */
  kill(): void {
    for (const { node } of this.entries) node.kill();
  }

  private async stopInOrder(): Promise<void> {
    for (const role of ["proxy", "gameserver", "apiserver"] as const) {
      const nodes = this.entries.filter(({ plan }) => plan.role === role);
      await Promise.all(nodes.map(({ node }) => node.stop()));
    }
  }

  private look(): void {
    if (this.entries.every(({ node }) => node.state === "ready")) this.tellReady();
    if (this.entries.every(({ node }) => node.over)) this.tellOver();
  }
}

function serves({ role, ports, worlds }: NodePlan, figures: NodeFigures): string {
  if (role === "proxy") return `:${ports.players}`;
  if (role === "apiserver") return figures.leads ? `:${ports.api} leads` : `:${ports.api}`;
  // Who is given its worlds says so from the first moment on.
  return (worlds.length > 0 ? worlds : figures.worlds).join(", ");
}
