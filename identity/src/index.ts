export type { NodeIdentity } from "./node-identity.ts";
export type { PeerIdentity, PeerRefusal, VerifyPeer } from "./verify-peer.ts";
