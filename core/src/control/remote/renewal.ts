import type { NodeLoad } from "../control-plane.ts";

/** What a node says with a renewal of its lease. */
export interface RenewalRequest {
  readonly boot: string;
  /** Of `Lease.renewing`. */
  readonly number: number;
  readonly load: NodeLoad;
}

export type RenewalAnswer =
  | { readonly ok: true; readonly number: number; readonly leaseMs: number }
  /** "unknown-node": not registered, or with another boot. "lost": declared so, or about to be. */
  | { readonly ok: false; readonly code: "not-leader" | "unknown-node" | "lost" };
