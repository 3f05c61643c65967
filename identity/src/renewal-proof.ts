import { createHash, createPrivateKey } from "node:crypto";
import { errors, jwtVerify, SignJWT } from "jose";
import { dateText, type ParsedCertificate } from "./certificate.ts";

/**
 * What stands in for the client's half of a TLS handshake where the server does not ask for it: the node signs, with
 * the key of its present certificate, which request it means and when.
 */

export const MAX_PROOF_CHARS = 2048;
const AUDIENCE = "atlasnet-renew";
const ALGORITHM = "ES256";
/** A proof is made for the request that carries it. Clocks may differ by as much. */
const GOOD_FOR_MS = 5 * 60_000;

/** `privateKey`: PEM, P-256. */
export function signRenewalProof(
  { csr, privateKey }: { readonly csr: string; readonly privateKey: string },
  now: number,
): Promise<string> {
  return new SignJWT({ csr: hashOf(csr) })
    .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
    .setAudience(AUDIENCE)
    .setIssuedAt(Math.floor(now / 1000))
    .sign(createPrivateKey(privateKey));
}

/** Why a proof proves nothing; undefined when it is good. Never rejects because of the text. */
export async function checkRenewalProof(
  asked: {
    readonly csr: string;
    readonly proof: string;
    readonly certificate: ParsedCertificate;
  },
  now: number,
): Promise<string | undefined> {
  try {
    const { payload } = await jwtVerify(asked.proof, asked.certificate.x509.publicKey, {
      algorithms: [ALGORITHM],
      audience: AUDIENCE,
      requiredClaims: ["iat", "csr"],
      currentDate: new Date(now),
      clockTolerance: GOOD_FOR_MS / 1000,
    });
    const signedAt = (payload.iat ?? 0) * 1000;
    if (Math.abs(now - signedAt) > GOOD_FOR_MS)
      return `the request was signed at ${dateText(signedAt)}, and the clock here says ${dateText(now)}: compare the clocks`;
    return payload["csr"] === hashOf(asked.csr) ? undefined : "the proof is of another request";
  } catch (error) {
    // A key of another kind is a TypeError.
    if (error instanceof errors.JOSEError || error instanceof TypeError)
      return "the request is not signed with the key of the certificate";
    throw error;
  }
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
