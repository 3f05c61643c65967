import type { Config } from "../config/build-config.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import type { Peer } from "../link/link.ts";
import type {
  ClusterLinks,
  ClusterLinksOptions,
  NodeAddress,
  OpenClusterLinks,
} from "./cluster-links.ts";
import type { ServiceHost } from "./service-host.ts";

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
  { host, openLinks }: OpenControlPlaneDependencies,
): Promise<NodeControlPlane> {
  const { config, role, accepts, bind, lookup } = options;
  const links = await openLinks(
    { config, role, accepts: [...accepts, "apiserver"], bind, lookup },
    host,
  );
  throw new Error(`the control plane of ${links.identity.node} is not wired yet`);
}
