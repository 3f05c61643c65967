import type * as Jose from "jose";
import { OperatingError } from "../errors.ts";
import {
  MAX_TOKEN_BYTES,
  RESUME_AUDIENCE,
  resumeClaimsOf,
  serverKeyClaim,
  TICKET_AUDIENCE,
  TicketClaimError,
  ticketClaimsOf,
} from "./ticket-claims.ts";
import type { TicketKeys, Verified } from "./tickets.ts";

/** A set of keys (RFC 7517), as it stands in a JWKS file. */
export interface KeySet {
  readonly keys: readonly Jose.JWK[];
}

/** Most keys of a set: a token without a key id is tried with each. */
const MAX_KEYS = 32;
/** Parts of a JWK that only the signer needs. */
const PRIVATE_PARTS = ["d", "p", "q", "dp", "dq", "qi", "oth"] as const;

/** Its forty modules are loaded with the first keys: most processes and all world threads have none. */
type JoseLibrary = typeof Jose;
type ImportedKey = Awaited<ReturnType<JoseLibrary["importJWK"]>>;

interface ImportedJwk {
  readonly id: string | undefined;
  readonly algorithm: string;
  readonly key: ImportedKey;
}

/** Keys that cannot be used. The message says which and why. */
export class KeySetError extends OperatingError {
  constructor(problem: string, options: { cause?: unknown } = {}) {
    super("bad-keys", problem, options);
  }
}

/**
 * Tickets and resume tokens as JWTs. The first private key of the set signs, every key verifies, so keys
 * rotate by putting a new one first and keeping the old one for as long as its tickets live. A key without
 * its private part verifies tickets that somebody else issues.
 * @throws KeySetError
 */
export async function createTicketKeys(set: KeySet): Promise<TicketKeys> {
  const jose = await import("jose");
  const { signer, verifiers } = await importKeys(jose, set);
  const verified = verifier(jose, verifiers);
  const sign = (claims: Jose.JWTPayload, audience: string) =>
    new jose.SignJWT(claims)
      .setProtectedHeader({
        alg: signer.algorithm,
        typ: "JWT",
        ...(signer.id === undefined ? {} : { kid: signer.id }),
      })
      .setAudience(audience)
      .sign(signer.key);
  return {
    async issue({ account, world, name, data, expiresAt }, { serverKey } = {}) {
      const claims = {
        sub: account,
        world,
        exp: expiresAt,
        ...(name === "" ? {} : { name }),
        ...(data === null ? {} : { data }),
        ...(serverKey === undefined ? {} : { serverKey: serverKeyClaim(serverKey) }),
      };
      ticketClaimsOf(claims);
      return sign(claims, TICKET_AUDIENCE);
    },
    verify(ticket, nowSeconds) {
      const options = {
        audience: TICKET_AUDIENCE,
        requiredClaims: ["exp"],
        currentDate: new Date(nowSeconds * 1000),
      };
      return verified(ticket, options, ticketClaimsOf);
    },
    async signResume({ account, world, session, name, data }) {
      const claims = { sub: account, world, session, name, ...(data === null ? {} : { data }) };
      resumeClaimsOf(claims);
      return sign(claims, RESUME_AUDIENCE);
    },
    verifyResume(token) {
      // Resume tokens do not expire: the session they name does.
      return verified(token, { audience: RESUME_AUDIENCE }, resumeClaimsOf);
    },
  };
}

async function importKeys(
  jose: JoseLibrary,
  set: KeySet,
): Promise<{ signer: ImportedJwk; verifiers: readonly ImportedJwk[] }> {
  if (set.keys.length > MAX_KEYS)
    throw new KeySetError(`has ${set.keys.length} keys, allowed: at most ${MAX_KEYS}`);
  const verifiers: ImportedJwk[] = [];
  let signer: ImportedJwk | undefined;
  for (const [index, jwk] of set.keys.entries()) {
    const which = `key ${index + 1}${jwk.kid === undefined ? "" : ` ("${jwk.kid}")`}`;
    if (jwk.kty === "oct" || jwk.alg === undefined)
      throw new KeySetError(
        `${which} must be a pair of keys with its "alg", as in {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", …}`,
      );
    const publicPart = { ...jwk };
    for (const part of PRIVATE_PARTS) delete publicPart[part];
    delete publicPart.key_ops;
    try {
      const common = { id: jwk.kid, algorithm: jwk.alg };
      verifiers.push({ ...common, key: await jose.importJWK(publicPart, jwk.alg) });
      if (signer === undefined && jwk.d !== undefined)
        signer = { ...common, key: await jose.importJWK(jwk, jwk.alg) };
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      throw new KeySetError(`${which} cannot be used: ${problem}`, { cause: error });
    }
  }
  if (signer === undefined)
    throw new KeySetError("has no private key, which signs the tokens that clients resume with");
  return { signer, verifiers };
}

/** Checks tokens with each key that may have signed them. */
function verifier({ errors, jwtVerify }: JoseLibrary, keys: readonly ImportedJwk[]) {
  /** True when another key of the set may still fit. */
  const isAnothers = (error: unknown) =>
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JOSEAlgNotAllowed;

  return async function verified<T>(
    token: string,
    options: Jose.JWTVerifyOptions,
    read: (claims: Jose.JWTPayload) => T,
  ): Promise<Verified<T>> {
    if (token.length > MAX_TOKEN_BYTES) return refused(`longer than ${MAX_TOKEN_BYTES} bytes`);
    let reason = "signed by no known key";
    for (const { id, algorithm, key } of keys) {
      try {
        const { payload } = await jwtVerify(
          token,
          (header) => {
            if (header.kid !== undefined && id !== undefined && header.kid !== id)
              throw new errors.JWKSNoMatchingKey();
            return key;
          },
          { ...options, algorithms: [algorithm] },
        );
        return { ok: true, claims: read(payload) };
      } catch (error) {
        if (error instanceof errors.JWTExpired)
          return { ok: false, code: "ticket-expired", reason: "the ticket's time is over" };
        if (isAnothers(error)) continue;
        if (error instanceof errors.JOSEError || error instanceof TicketClaimError) {
          reason = error.message;
          break;
        }
        throw error;
      }
    }
    return refused(reason);
  };
}

function refused(reason: string): { ok: false; code: "unauthorized"; reason: string } {
  return { ok: false, code: "unauthorized", reason };
}
