import type { Peer } from "@atlasnet/core";

/** Who a certificate says the peer is. */
export interface PeerIdentity extends Peer {
  readonly cluster: string;
  /** Unix time in ms. */
  readonly notAfter: number;
}

export interface PeerRefusal {
  readonly code:
    | "no-certificate"
    | "foreign-ca"
    | "expired"
    | "not-yet-valid"
    | "bad-certificate"
    | "other-cluster";
  /** For people, with names and dates: "the certificate of gs-1 expired at 2026-01-01T00:00:00Z". */
  readonly reason: string;
}

/** Checks a chain in DER, the peer's own certificate first, at a time (Unix, ms). */
export type VerifyPeer = (
  chain: readonly Uint8Array[],
  now: number,
) => { readonly ok: true; readonly peer: PeerIdentity } | ({ readonly ok: false } & PeerRefusal);
