import type { Plain } from "@atlasnet/world";

/** Who a player is and where it may go (docs/protocol.md, section 8). */
export interface TicketClaims {
  /** 1 to 128 bytes. */
  account: string;
  /** A world's name, or "*" for all. */
  world: string;
  name: string;
  /** At most 1 KiB as JSON. */
  data: Plain;
  /** Seconds since 1970. */
  expiresAt: number;
}

/** What a ticket says to its holder beside that. */
export interface TicketHints {
  /** The servers' public X25519 key for UDP: 32 bytes. */
  readonly serverKey?: Uint8Array;
}

/** What a client needs to return to its session; signed by a proxy, read by every proxy. */
export interface ResumeClaims {
  account: string;
  world: string;
  session: number;
  name: string;
  data: Plain;
}

export type Verified<T> =
  | { ok: true; claims: T }
  | { ok: false; code: "unauthorized" | "ticket-expired"; reason: string };

/** The keys of tickets and resume tokens, shared by all proxies of a cluster. */
export interface TicketKeys {
  issue(claims: TicketClaims, hints?: TicketHints): Promise<string>;
  verify(ticket: string, nowSeconds: number): Promise<Verified<TicketClaims>>;
  signResume(claims: ResumeClaims): Promise<string>;
  verifyResume(token: string): Promise<Verified<ResumeClaims>>;
}
