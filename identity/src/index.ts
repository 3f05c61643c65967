export {
  ADDRESS_ALLOWED,
  type Address,
  addressText,
  DEFAULT_CA_PORT,
  parseAddress,
} from "./address.ts";
export { DEFAULT_CA_DAYS, DEFAULT_NODE_DAYS, MAX_DAYS } from "./authority.ts";
export { dateText } from "./certificate.ts";
export {
  type CaDependencies,
  type CertificateRequest,
  type ClusterCa,
  type ClusterSecrets,
  type CreateCaOptions,
  createCa,
  openCa,
} from "./cluster-ca.ts";
export { createVerifyPeer } from "./create-verify-peer.ts";
export { type NodePlace, storedRole } from "./identity-files.ts";
export type { IssuedRecord } from "./issued-records.ts";
export type { NodeIdentity } from "./node-identity.ts";
export { CLUSTER_ALLOWED, isClusterName, isNodeId, NODE_ALLOWED, ROLES } from "./node-uri.ts";
export {
  type IdentityDependencies,
  issueToFolder,
  type ObtainedIdentity,
  type ObtainIdentityOptions,
  obtainIdentity,
} from "./obtain-identity.ts";
export {
  type RenewIdentityDependencies,
  type RenewIdentityOptions,
  renewIdentity,
} from "./renew-identity.ts";
export { readAuthorities } from "./trust.ts";
export type { PeerIdentity, PeerRefusal, VerifyPeer } from "./verify-peer.ts";
export {
  type RenewalSource,
  type WatchRenewalDependencies,
  type WatchRenewalOptions,
  watchRenewal,
} from "./watch-renewal.ts";
