import type { Peer } from "@atlasnet/core";
import { decodeJwt, errors, jwtVerify, SignJWT } from "jose";
import * as v from "valibot";
import { type Address, addressText, parseAddress } from "./address.ts";
import type { Authority } from "./authority.ts";
import { dateText } from "./certificate.ts";
import { isNodeId, ROLES } from "./node-uri.ts";

/** What a join token says. */
export interface JoinToken {
  /** Where `atlasnet ca serve` is; undefined: the node joins at the apiservers that it is told of. */
  readonly address: Address | undefined;
  /** SHA-256 of the CA certificate: the node trusts the server whose chain ends there, and no other. */
  readonly ca: string;
  readonly role: Peer["role"];
  /** Undefined: good for any node id that has no certificate. */
  readonly node: string | undefined;
  /** Unix time in ms. */
  readonly expiresAt: number;
}

export type CheckedToken =
  | { readonly ok: true; readonly token: JoinToken }
  | { readonly ok: false; readonly code: TokenRefusal; readonly message: string };
export type TokenRefusal = "bad-token" | "foreign-token" | "token-expired";

export const TOKEN_PREFIX = "atlasnet-join-";
export const MAX_JOIN_TOKEN_CHARS = 4096;
const AUDIENCE = "atlasnet-join";
const ALGORITHM = "ES256";

const Claims = v.object({
  aud: v.literal(AUDIENCE),
  exp: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1e11)),
  address: v.optional(v.pipe(v.string(), v.maxLength(300))),
  ca: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  role: v.picklist(ROLES),
  node: v.optional(v.pipe(v.string(), v.check(isNodeId))),
});

/** Signs a token with the CA's key; it needs no memory of it. */
export async function signJoinToken(
  { keys, fingerprint }: Authority,
  { address, role, node, expiresAt }: Omit<JoinToken, "ca">,
): Promise<string> {
  const claims = {
    ...(address === undefined ? {} : { address: addressText(address) }),
    ca: fingerprint,
    role,
    ...(node === undefined ? {} : { node }),
  };
  const jwt = await new SignJWT(claims)
    .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
    .setAudience(AUDIENCE)
    .setExpirationTime(Math.floor(expiresAt / 1000))
    .sign(keys.privateKey);
  return `${TOKEN_PREFIX}${jwt}`;
}

/** What a token says, for the node that was given it; its signature is for the CA to check. */
export function readJoinToken(text: string): JoinToken | undefined {
  const jwt = jwtOf(text);
  if (jwt === undefined) return undefined;
  try {
    return tokenOf(decodeJwt(jwt));
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

/** Judges a token at the CA that may have signed it. Never rejects because of the text. */
export async function checkJoinToken(
  { keys, fingerprint }: Authority,
  text: string,
  now: number,
): Promise<CheckedToken> {
  const damaged = {
    ok: false,
    code: "bad-token",
    message: "the join token is damaged: it is not as `atlasnet ca token` printed it",
  } as const;
  const jwt = jwtOf(text);
  const token = readJoinToken(text);
  if (jwt === undefined || token === undefined) return damaged;
  if (token.ca !== fingerprint)
    return {
      ok: false,
      code: "foreign-token",
      message: `the join token is of another CA (${token.ca.slice(0, 16)}…), this one is ${fingerprint.slice(0, 16)}…`,
    };
  if (now >= token.expiresAt)
    return {
      ok: false,
      code: "token-expired",
      message: `the join token expired at ${dateText(token.expiresAt)}; the CA's clock says ${dateText(now)}`,
    };
  try {
    await jwtVerify(jwt, keys.publicKey, {
      algorithms: [ALGORITHM],
      audience: AUDIENCE,
      currentDate: new Date(now),
    });
  } catch (error) {
    if (error instanceof errors.JOSEError) return damaged;
    throw error;
  }
  return { ok: true, token };
}

function jwtOf(text: string): string | undefined {
  const good = text.length <= MAX_JOIN_TOKEN_CHARS && text.startsWith(TOKEN_PREFIX);
  return good ? text.slice(TOKEN_PREFIX.length) : undefined;
}

function tokenOf(claims: unknown): JoinToken | undefined {
  const parsed = v.safeParse(Claims, claims);
  if (!parsed.success) return undefined;
  const { exp, ca, role, node } = parsed.output;
  const text = parsed.output.address;
  const address = text === undefined ? undefined : parseAddress(text);
  if (text !== undefined && address === undefined) return undefined;
  return { address, ca, role, node, expiresAt: exp * 1000 };
}
