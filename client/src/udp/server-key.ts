import { ticketClaims } from "../ticket-claims.ts";
import type { Trust } from "../transport.ts";

/** 32 bytes in base64url without padding. */
const KEY_TEXT = /^[A-Za-z0-9_-]{43}$/;

/**
 * The key that a server has to prove: what the game pinned, else what its ticket names, else what another
 * connection to the server said. Undefined when nobody knows.
 * @throws TypeError for a text that is no key.
 */
export function serverKeyOf(pinned: string | undefined, trust: Trust): Uint8Array | undefined {
  if (pinned !== undefined) return parseServerKey(pinned, "the option serverKey");
  const claim = trust.ticket === undefined ? undefined : ticketClaims(trust.ticket)?.["serverKey"];
  if (claim !== undefined) return parseServerKey(claim, "the ticket's claim serverKey");
  return trust.key;
}

function parseServerKey(text: unknown, where: string): Uint8Array {
  if (typeof text !== "string" || !KEY_TEXT.test(text))
    throw new TypeError(`${where} is no public key: 32 bytes as 43 characters of base64url`);
  return new Uint8Array(Buffer.from(text, "base64url"));
}

export function serverKeyText(key: Uint8Array): string {
  return Buffer.from(key).toString("base64url");
}

/** True for addresses of this machine, where nobody else can answer. */
export function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./i.test(address);
}
