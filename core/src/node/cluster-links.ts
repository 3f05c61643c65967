import type { Config } from "../config/build-config.ts";
import type { LinkNetwork, Peer } from "../link/link.ts";
import type { ServiceHost } from "./service-host.ts";

/** Where something listens, or is reached. */
export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

export interface ClusterLinksOptions {
  readonly config: Config;
  readonly role: Peer["role"];
  /** Roles that links are taken from and opened to. */
  readonly accepts: readonly Peer["role"][];
  /** Where links are taken, by a process that listens; port 0 takes any free one. */
  readonly bind: NodeAddress;
  /** Where a node takes links, and as what it has to prove itself; undefined: unknown. */
  lookup(node: string): (NodeAddress & { readonly role: Peer["role"] }) | undefined;
}

/** The links of a process of a cluster, and who it is there. */
export interface ClusterLinks {
  readonly network: LinkNetwork;
  /** Undefined until it listens or has connected. */
  readonly address: NodeAddress | undefined;
  /** As renewed last. */
  readonly identity: ClusterIdentity;
  /** As renewed last, too. */
  readonly certificate: LinkCertificate;
}

export interface ClusterIdentity extends Peer {
  readonly cluster: string;
  /** End of the certificate, Unix time in ms. */
  readonly notAfter: number;
}

export interface LinkCertificate {
  /** SHA-256 of the node's own certificate, in hexadecimal digits. */
  readonly fingerprint: string;
  /** PEM: CA certificates of the cluster. */
  readonly authorities: string;
}

/**
 * Obtains the identity and prepares the network; both are parts of the host, which stops them.
 * `openClusterLinks` of `@atlasnet/quic` is the one that processes use.
 * @throws an error that says what to do.
 */
export type OpenClusterLinks = (
  options: ClusterLinksOptions,
  host: ServiceHost,
) => Promise<ClusterLinks>;
