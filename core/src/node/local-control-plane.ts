import type {
  ControlPlane,
  ControlPlaneEvents,
  NodeLoad,
  NodeRegistration,
} from "../control/control-plane.ts";
import type { ControlStore } from "../control/control-store.ts";
import { bootsInMemory } from "../control/member/boots.ts";
import type { RenewalPort } from "../control/member/membership.ts";
import { NodeSession } from "../control/member/node-session.ts";
import { readOwnRecord } from "../control/member/own-key.ts";
import type { NodeDescription } from "../control/member/register.ts";
import type { NodeState } from "../control/records.ts";
import type { AsleepSlice, MigrationProgress, ShardProblem } from "../control/remote/renewal.ts";
import { systemClock } from "../system/system-clock.ts";
import { systemRandom } from "../system/system-random.ts";
import { counted } from "./control-plane-metrics.ts";
import type { Health } from "./health-server.ts";
import type { ServiceHost } from "./service-host.ts";

export interface LocalControlPlaneOptions {
  readonly node: string;
  readonly leaseMs: number;
}

export interface LocalControlPlaneDependencies {
  readonly host: Pick<ServiceHost, "logger" | "fatal">;
  /** Of the apiserver in this process, which nobody but its nodes is in: whoever wrote it before is gone. */
  readonly store: ControlStore;
  readonly renewals: RenewalPort;
  /** What is registered; asked for each try. */
  describe(): NodeDescription;
}

/** A node's tie to the apiserver of its own process. */
export class LocalControlPlane implements ControlPlane {
  readonly node: string;
  readonly store: ControlStore;
  readonly counts = { registrations: 0, seals: 0, losses: 0 };
  private readonly session: NodeSession;

  /** @throws ControlError */
  static async open(
    options: LocalControlPlaneOptions,
    dependencies: LocalControlPlaneDependencies,
  ): Promise<LocalControlPlane> {
    const boots = bootsInMemory();
    const { before } = await readOwnRecord(dependencies.store, options.node);
    if (before.record !== undefined) await boots.registered(before.record.boot);
    const { host, store, renewals, describe } = dependencies;
    const session = new NodeSession(options, {
      ...{ store, renewals, boots, logger: host.logger, clock: systemClock, random: systemRandom },
      describe: async () => describe(),
      fatal: (error) => host.fatal("This node cannot go on.", error),
    });
    return new LocalControlPlane(options, store, session);
  }

  private constructor(
    { node }: LocalControlPlaneOptions,
    store: ControlStore,
    session: NodeSession,
  ) {
    this.node = node;
    this.store = store;
    this.session = session;
  }

  get registration(): NodeRegistration | undefined {
    return this.session.registration;
  }

  start(
    events: ControlPlaneEvents,
    load: () => NodeLoad,
    problems?: () => Iterable<ShardProblem>,
    migrations?: () => Iterable<MigrationProgress>,
    asleep?: () => AsleepSlice | undefined,
  ): Promise<void> {
    return this.session.start(counted(events, this.counts), load, problems, migrations, asleep);
  }

  hurry(): void {
    this.session.hurry();
  }

  mayAct(): boolean {
    return this.session.mayAct();
  }

  setState(state: Exclude<NodeState, "lost" | "starting">): Promise<void> {
    return this.session.setState(state);
  }

  stop(): Promise<void> {
    return this.session.stop();
  }

  health(): Health {
    const { session } = this;
    if (session.mayAct()) return { ok: true };
    const reason =
      session.waitsFor ??
      `this node does not act until its lease is renewed (${session.sealedBy ?? "stopped"})`;
    return { ok: false, reason };
  }
}
