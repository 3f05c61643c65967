import type { Peer } from "@atlasnet/core";

/** What a node proves itself with on links: PEM texts, and what they say. */
export interface NodeIdentity {
  /** Name of the cluster, made by `atlasnet ca init`. */
  readonly cluster: string;
  readonly role: Peer["role"];
  readonly node: string;
  /** PEM chain, the node's own certificate first. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly privateKey: string;
  /** PEM, the cluster's CA certificates (more than one while a CA is being replaced). */
  readonly authorities: string;
  /** Unix time in ms. */
  readonly notBefore: number;
  readonly notAfter: number;
}
