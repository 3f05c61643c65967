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
export type { IssuedRecord } from "./issued-records.ts";
export type { NodeIdentity } from "./node-identity.ts";
export {
  type IdentityDependencies,
  type ObtainedIdentity,
  type ObtainIdentityOptions,
  obtainIdentity,
} from "./obtain-identity.ts";
export type { PeerIdentity, PeerRefusal, VerifyPeer } from "./verify-peer.ts";
