import type { Config } from "../config/build-config.ts";
import type {
  ControlPlane,
  ControlPlaneEvents,
  NodeLoad,
  NodeRegistration,
} from "../control/control-plane.ts";
import { bootsInMemory } from "../control/member/boots.ts";
import { NodeSession } from "../control/member/node-session.ts";
import type { NodeDescription } from "../control/member/register.ts";
import type { NodeState } from "../control/records.ts";
import { RemoteStore } from "../control/remote/remote-store.ts";
import type { AsleepSlice, MigrationProgress, ShardProblem } from "../control/remote/renewal.ts";
import type { Peer } from "../link/link.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import { systemClock } from "../system/system-clock.ts";
import { systemRandom } from "../system/system-random.ts";
import { BootFile } from "./boot-file.ts";
import type {
  ClusterLinks,
  ClusterLinksOptions,
  NodeAddress,
  OpenClusterLinks,
} from "./cluster-links.ts";
import { type FindApiservers, findApiservers } from "./control-plane-discovery.ts";
import { counted, registerControlPlaneMetrics } from "./control-plane-metrics.ts";
import { ApiserverTie } from "./control-plane-tie.ts";
import type { Health } from "./health-server.ts";
import { advertisedAddress, labelsOf } from "./node-description.ts";
import type { ServiceHost } from "./service-host.ts";
import { version } from "./version.ts";

export interface OpenControlPlaneOptions {
  /** `cluster.apiservers` names at least one. */
  readonly config: Config;
  readonly role: Exclude<Peer["role"], "apiserver">;
  /** Modules that the node brings itself, as worlds name them; `*` stands for whatever is asked for. */
  readonly modules: readonly string[];
  /** Roles beside apiservers that links are taken from and opened to. */
  readonly accepts: readonly Peer["role"][];
  /** Where links are taken, by a process that listens; as in ClusterLinksOptions. */
  readonly bind: NodeAddress;
  /** Where nodes of those roles are; apiservers are found by themselves. */
  readonly lookup: ClusterLinksOptions["lookup"];
  /**
   * The process holds the lock of `data.dir` whenever `start` is called: its boots are written there, and
   * the one that is found there is gone for certain, so that nobody waits for its lease.
   */
  readonly ownsDataDir: boolean;
}

export interface OpenControlPlaneDependencies {
  /** Stops the links and the control plane, in the right order: both are its parts. */
  readonly host: ServiceHost;
  readonly openLinks: OpenClusterLinks;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Default: by HTTP. */
  readonly findApiservers?: FindApiservers;
}

/**
 * A node's tie to the apiservers, and the links of the process, over which it goes. A process that takes links
 * listens before it calls `start`: its address is registered.
 */
export interface NodeControlPlane extends ControlPlane {
  readonly links: ClusterLinks;
}

/**
 * Obtains the node's identity, from the apiservers where it has none and a join token, and prepares the links.
 * Nothing is asked of the apiservers before `start`, unless the identity is. While none of them
 * answers it is waited for them; `/ready` says so with the check "control plane".
 * @throws OperatingError of the identity: what is missing, and what to do
 */
export async function openControlPlane(
  options: OpenControlPlaneOptions,
  dependencies: OpenControlPlaneDependencies,
): Promise<NodeControlPlane> {
  const { config, role, accepts, bind } = options;
  const { host, openLinks } = dependencies;
  // The links ask the tie for addresses, and the tie opens links.
  let tie: ApiserverTie | undefined;
  const lookup: ClusterLinksOptions["lookup"] = (node) => tie?.lookup(node) ?? options.lookup(node);
  const links = await openLinks(
    { config, role, accepts: [...accepts, "apiserver"], bind, lookup },
    host,
  );
  tie = new ApiserverTie(
    {
      urls: config.cluster.apiservers,
      cluster: links.identity.cluster,
      software: `atlasnet ${version} (${role})`,
    },
    {
      network: links.network,
      clock: dependencies.clock ?? systemClock,
      random: dependencies.random ?? systemRandom,
      logger: host.logger,
      find: dependencies.findApiservers ?? findApiservers,
      authorities: () => links.certificate.authorities,
    },
  );
  const plane = new LinkedControlPlane(options, dependencies, { links, tie });
  host.part("control plane", () => plane.stop());
  host.health.add({ name: "control plane", check: () => plane.health() });
  registerControlPlaneMetrics(host.meter, plane);
  // A start that waits for apiservers ends when the process is to stop.
  const giveUp = () => {
    if (plane.registration === undefined) void plane.stop();
  };
  host.stopSignal.addEventListener("abort", giveUp, { once: true });
  if (host.stopSignal.aborted) giveUp();
  return plane;
}

class LinkedControlPlane implements NodeControlPlane {
  readonly node: string;
  readonly links: ClusterLinks;
  readonly store: RemoteStore;
  readonly counts = { registrations: 0, seals: 0, losses: 0 };
  private readonly options: OpenControlPlaneOptions;
  private readonly tie: ApiserverTie;
  private readonly session: NodeSession;

  constructor(
    options: OpenControlPlaneOptions,
    {
      host,
      clock = systemClock,
      random = systemRandom,
    }: Pick<OpenControlPlaneDependencies, "host" | "clock" | "random">,
    { links, tie }: { readonly links: ClusterLinks; readonly tie: ApiserverTie },
  ) {
    const { config, ownsDataDir } = options;
    const node = config.node.id;
    const { logger } = host;
    this.node = node;
    this.options = options;
    this.links = links;
    this.tie = tie;
    this.store = new RemoteStore({}, { calls: tie, clock, random });
    this.session = new NodeSession(
      { node, leaseMs: config.node.leaseMs },
      {
        store: this.store,
        renewals: this.store,
        ...{ clock, random, logger },
        boots: ownsDataDir ? new BootFile({ dir: config.data.dir, node }) : bootsInMemory(),
        describe: async () => this.describe(),
        fatal: (error) => host.fatal("This node cannot be a part of the cluster any more.", error),
      },
    );
  }

  get registration(): NodeRegistration | undefined {
    return this.session.registration;
  }

  /** @throws OperatingError "wrong-cluster", "stopped"; LinkError when every apiserver refuses this node */
  async start(
    events: ControlPlaneEvents,
    load: () => NodeLoad,
    problems?: () => Iterable<ShardProblem>,
    migrations?: () => Iterable<MigrationProgress>,
    asleep?: () => AsleepSlice | undefined,
  ): Promise<void> {
    try {
      await this.tie.start();
      const refused = new Promise<never>((_, reject) => this.tie.refused(reject));
      // It may come before or after somebody waits for it.
      refused.catch(() => undefined);
      await Promise.race([
        this.session.start(counted(events, this.counts), load, problems, migrations, asleep),
        refused,
      ]);
    } catch (error) {
      await this.stop();
      throw error;
    }
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

  /** Idempotent. */
  async stop(): Promise<void> {
    await this.session.stop();
    this.store.stop();
    this.tie.stop();
  }

  health(): Health {
    const { session, tie } = this;
    if (session.mayAct()) return { ok: true };
    // Proxies own nothing: once they were told where worlds are, they go on without the apiservers.
    if (this.options.role === "proxy" && this.counts.registrations > 0) return { ok: true };
    const reason =
      tie.problem ??
      session.waitsFor ??
      `this node does not act until its lease is renewed (${session.sealedBy ?? "stopped"})`;
    return { ok: false, reason };
  }

  private describe(): NodeDescription {
    const { config, role, modules } = this.options;
    const { links, tie } = this;
    const { weight, sessions, memoryBytes } = config.node;
    return {
      role,
      labels: labelsOf(config.node.labels),
      capacity: { weight, sessions, memoryBytes },
      modules,
      address: advertisedAddress(config, role, {
        bound: links.address,
        localAddress: tie.localAddress,
      }),
      fingerprint: links.certificate.fingerprint,
    };
  }
}
