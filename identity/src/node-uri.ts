import type { Peer } from "@atlasnet/core";

/** Roles a certificate may name: those of links, and `ca` for the server of `atlasnet ca serve`. */
export type CertificateRole = Peer["role"] | "ca";

/** What a certificate names, in its only SAN: `atlasnet://cluster/role/node`. */
export interface NodeName {
  readonly cluster: string;
  readonly role: CertificateRole;
  readonly node: string;
}

export const ROLES: readonly Peer["role"][] = ["proxy", "gameserver", "apiserver"];

const CLUSTER = "[a-z0-9][a-z0-9-]{0,62}";
/** The same as the setting `node.id`, but for `ca`. */
const NODE = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";

const CLUSTER_NAME = new RegExp(`^${CLUSTER}$`);
const NODE_ID = new RegExp(`^${NODE}$`);
const NODE_URI = new RegExp(`^atlasnet://(${CLUSTER})/(proxy|gameserver|apiserver|ca)/(${NODE})$`);
const CLUSTER_URI = new RegExp(`^atlasnet://(${CLUSTER})$`);

export const CLUSTER_ALLOWED = "a-z, 0-9 and -, at most 63, a letter or digit first";
export const NODE_ALLOWED =
  "letters, digits, ., - and _, at most 64, a letter or digit first, and not ca";

export function isClusterName(text: string): boolean {
  return CLUSTER_NAME.test(text);
}

/** Files are named after nodes, and `ca.crt` and `ca.key` are the CA's; there are systems on which `CA.key` is, too. */
export function isNodeId(text: string): boolean {
  return NODE_ID.test(text) && text.toLowerCase() !== "ca";
}

export function isRole(text: string): text is Peer["role"] {
  return ROLES.some((role) => role === text);
}

export function nodeUri({ cluster, role, node }: NodeName): string {
  return `atlasnet://${cluster}/${role}/${node}`;
}

/** The names, or undefined for anything that `nodeUri` would not write. */
export function parseNodeUri(uri: string): NodeName | undefined {
  const [, cluster, role, node] = NODE_URI.exec(uri) ?? [];
  if (cluster === undefined || role === undefined || node === undefined) return undefined;
  if (role !== "ca" && !isRole(role)) return undefined;
  return { cluster, role, node };
}

/** The SAN of a CA certificate. */
export function clusterUri(cluster: string): string {
  return `atlasnet://${cluster}`;
}

export function parseClusterUri(uri: string): string | undefined {
  return CLUSTER_URI.exec(uri)?.[1];
}
