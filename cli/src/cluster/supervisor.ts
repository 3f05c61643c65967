import type { Clock } from "@atlasnet/core";
import type { Child } from "./child.ts";
import type { NodePlan } from "./layout.ts";
import { ManagedNode } from "./managed-node.ts";
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
 * players first leave the proxies, then the gameservers save their worlds.
 */
export class Supervisor {
  private readonly entries: readonly { plan: NodePlan; node: ManagedNode }[];
  private stopped: Promise<void> | undefined;
  private readonly over: Promise<void>;
  private readonly ready: Promise<void>;
  private tellOver: () => void = () => undefined;
  private tellReady: () => void = () => undefined;

  constructor(options: SupervisorOptions, dependencies: SupervisorDependencies) {
    const { plans, restarts, stopTimeoutMs } = options;
    const { clock } = dependencies;
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

  rows(): NodeRow[] {
    const gameservers = this.entries.filter(({ plan }) => plan.role === "gameserver").length;
    const proxies = this.entries.length - gameservers;
    return this.entries.map(({ plan, node }) => ({
      node: plan.node,
      role: plan.role,
      pid: node.pid,
      state: node.state,
      players: node.figures.players,
      linksUp: node.figures.linksUp,
      linksWanted: plan.role === "proxy" ? gameservers : proxies,
      cores: node.cores,
      rssBytes: node.figures.rssBytes,
      restarts: node.restarts,
      serves: plan.ports.players === undefined ? plan.worlds.join(", ") : `:${plan.ports.players}`,
    }));
  }

  /** Stops the proxies, then the gameservers. Idempotent; resolves once all are gone. */
  stop(): Promise<void> {
    this.stopped ??= this.stopInOrder();
    return this.stopped;
  }

  /** Ends all processes at once. */
  kill(): void {
    for (const { node } of this.entries) node.kill();
  }

  private async stopInOrder(): Promise<void> {
    for (const role of ["proxy", "gameserver"] as const) {
      const nodes = this.entries.filter(({ plan }) => plan.role === role);
      await Promise.all(nodes.map(({ node }) => node.stop()));
    }
  }

  private look(): void {
    if (this.entries.every(({ node }) => node.state === "ready")) this.tellReady();
    if (this.entries.every(({ node }) => node.over)) this.tellOver();
  }
}
