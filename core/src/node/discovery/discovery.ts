import type { NodeAddress } from "../cluster-links.ts";
import type { Health } from "../health-server.ts";
import type { ProcessRole } from "../service-host.ts";

/** What a process tells the others about itself. */
export interface Announcement {
  readonly node: string;
  readonly role: ProcessRole;
  /** Name of the cluster, where it is known. */
  readonly cluster?: string;
  /** Where links are taken; an address that stands for all of the machine is replaced by one that others reach. */
  readonly links?: NodeAddress;
  /** The HTTP API of an apiserver. */
  readonly api?: NodeAddress & { readonly tls: boolean };
  /** Where players come, of a proxy. */
  readonly players?: NodeAddress;
}

/** A process as others find it. */
export interface DiscoveredProcess {
  readonly node: string;
  readonly role: ProcessRole;
  readonly links: NodeAddress | undefined;
  /** As in https://10.0.0.1:8080. */
  readonly api: string | undefined;
  /** It says itself that it is ready. Static addresses count as such. */
  readonly ready: boolean;
}

/** An announcement that is kept up. */
export interface Announced {
  /** Takes it back, so that nobody looks for this process any more. Idempotent, and never rejects. */
  withdraw(): Promise<void>;
}

/**
 * How processes of a cluster find each other. It says where to look, and nothing about who somebody is: that is
 * proved on the link, with a certificate of the cluster.
 */
export interface Discovery {
  /**
   * Tells the others of this process, and how it is from then on. It does not wait for anything to be reached,
   * and goes on trying until it is withdrawn.
   */
  announce(process: Announcement, health: () => Health): Announced;
  /**
   * Who is there, by node. What was found last, when nothing can be asked now.
   * @throws OperatingError when nothing can be asked and nothing was ever found
   */
  find(role: ProcessRole): Promise<readonly DiscoveredProcess[]>;
  /**
   * Calls with all there are, now and after every change; never from within this call. While nothing can be
   * asked, what was told last stands. Returns what ends it.
   */
  watch(role: ProcessRole, changed: (found: readonly DiscoveredProcess[]) => void): () => void;
  /** Ends watches, and withdraws what is announced. Idempotent. */
  stop(): Promise<void>;
}
