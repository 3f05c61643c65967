import type { Plain } from "@atlasnet/world";
import { encode } from "jose/base64url";
import { OperatingError } from "../errors.ts";
import type { ResumeClaims, TicketClaims } from "./tickets.ts";

/** Bounds of tickets (docs/protocol.md, section 8). */
export const MAX_ACCOUNT_BYTES = 128;
export const MAX_WORLD_BYTES = 64;
export const MAX_NAME_BYTES = 128;
/** Of `data`, as JSON. */
export const MAX_DATA_BYTES = 1024;
/** Of a whole ticket or resume token; longer ones are refused unread. */
export const MAX_TOKEN_BYTES = 8192;

export const TICKET_AUDIENCE = "atlasnet";
export const RESUME_AUDIENCE = "atlasnet-resume";

const SERVER_KEY_BYTES = 32;

/** Claims as they came out of a token that was signed well. */
export type RawClaims = { readonly [claim: string]: unknown };

/** A claim outside of its bounds. */
export class TicketClaimError extends OperatingError {
  constructor(claim: string, problem: string) {
    super("bad-claim", `the ticket's ${claim} ${problem}`, { facts: { claim } });
  }
}

const utf8 = new TextEncoder();

/** @throws TicketClaimError */
export function ticketClaimsOf(raw: RawClaims): TicketClaims {
  const expiresAt = raw["exp"];
  if (typeof expiresAt !== "number" || !Number.isFinite(expiresAt))
    throw new TicketClaimError("exp", "must be there: seconds since 1970");
  return { ...whoOf(raw), expiresAt };
}

/** @throws TicketClaimError */
export function resumeClaimsOf(raw: RawClaims): ResumeClaims {
  const session = raw["session"];
  if (typeof session !== "number" || !Number.isSafeInteger(session) || session < 0)
    throw new TicketClaimError("session", "must be an integer from 0");
  return { ...whoOf(raw), session };
}

/**
 * A public key as the claim `serverKey`: base64url without padding.
 * @throws TicketClaimError
 */
export function serverKeyClaim(key: Uint8Array): string {
  if (key.length !== SERVER_KEY_BYTES)
    throw new TicketClaimError(
      "serverKey",
      `must have ${SERVER_KEY_BYTES} bytes, found ${key.length}`,
    );
  return encode(key);
}

function whoOf(raw: RawClaims): { account: string; world: string; name: string; data: Plain } {
  return {
    account: textOf(raw, "sub", 1, MAX_ACCOUNT_BYTES),
    world: textOf(raw, "world", 1, MAX_WORLD_BYTES),
    name: raw["name"] === undefined ? "" : textOf(raw, "name", 0, MAX_NAME_BYTES),
    data: dataOf(raw["data"]),
  };
}

function textOf(raw: RawClaims, claim: string, least: number, most: number): string {
  const value = raw[claim];
  if (typeof value !== "string") throw new TicketClaimError(claim, "must be text");
  const bytes = utf8.encode(value).length;
  if (bytes < least || bytes > most)
    throw new TicketClaimError(claim, `must have ${least} to ${most} bytes, found ${bytes}`);
  return value;
}

/** `null` without the claim, else an object of JSON data. */
function dataOf(value: unknown): Plain {
  if (value === undefined || value === null) return null;
  if (typeof value !== "object" || Array.isArray(value))
    throw new TicketClaimError("data", "must be an object");
  const json = JSON.stringify(value);
  const bytes = utf8.encode(json).length;
  if (bytes > MAX_DATA_BYTES)
    throw new TicketClaimError(
      "data",
      `must have at most ${MAX_DATA_BYTES} bytes as JSON, found ${bytes}`,
    );
  // Read back, so that it is JSON and nothing but JSON whoever handed it in.
  const plain: Plain = JSON.parse(json);
  return plain;
}
