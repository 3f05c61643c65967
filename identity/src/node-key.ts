import { webcrypto } from "node:crypto";
import { fingerprintOf } from "./certificate.ts";
import {
  KEY_ALGORITHM,
  keyPairOf,
  newKeyPair,
  privateKeyPem,
  SIGNING_ALGORITHM,
  x509,
} from "./x509.ts";

/** Longest certificate request, as PEM. Ours have about 350 characters. */
export const MAX_CSR_CHARS = 4096;

/** A new private key for a node, PEM, PKCS #8. */
export async function newPrivateKey(): Promise<string> {
  const { privateKey } = await newKeyPair();
  return privateKeyPem(privateKey);
}

/** A certificate request (PKCS #10, PEM), signed with the key. Rejects for what is no P-256 key. */
export async function requestFor(privateKey: string, node: string): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ["AtlasNet"] }, { CN: [node] }],
    keys: await keyPairOf(privateKey),
    signingAlgorithm: SIGNING_ALGORITHM,
  });
  return `${request.toString("pem")}\n`;
}

/** Why a request is refused, or the key it asks a certificate for. Never rejects, whatever the text. */
export async function keyOfRequest(
  csr: string,
): Promise<{ ok: true; publicKey: webcrypto.CryptoKey } | { ok: false; problem: string }> {
  const refuse = (problem: string) => ({ ok: false, problem }) as const;
  if (csr.length > MAX_CSR_CHARS)
    return refuse(`the certificate request is longer than ${MAX_CSR_CHARS} characters`);
  try {
    const request = new x509.Pkcs10CertificateRequest(csr);
    const spki = request.publicKey.rawData;
    let publicKey: webcrypto.CryptoKey;
    try {
      publicKey = await webcrypto.subtle.importKey("spki", spki, KEY_ALGORITHM, true, ["verify"]);
    } catch {
      return refuse("the key of the certificate request is not an ECDSA key on P-256");
    }
    // Whoever asks has the private key, and does not ask in the name of somebody else's.
    if (!(await request.verify()))
      return refuse("the certificate request is not signed with its own key");
    return { ok: true, publicKey };
  } catch {
    // The parser says in many ways that it understood nothing.
    return refuse("the certificate request cannot be read (PKCS #10, PEM)");
  }
}

/** SHA-256 of the key's SPKI, in hexadecimal digits. */
export async function keyFingerprint(publicKey: webcrypto.CryptoKey): Promise<string> {
  return fingerprintOf(new Uint8Array(await webcrypto.subtle.exportKey("spki", publicKey)));
}
