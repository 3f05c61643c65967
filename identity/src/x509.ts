// Has to be there before @peculiar/x509, whose decorators ask for it.
import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import { cryptoProvider, PemConverter } from "@peculiar/x509";

// The one place that loads the library, so that it is always set up.
// By its global name: the type of it, too, is then the one that the library means.
cryptoProvider.set(globalThis.crypto);

export * as x509 from "@peculiar/x509";

/** P-256: what TLS of every kind can do, quickly. */
export const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
export const SIGNING_ALGORITHM = { ...KEY_ALGORITHM, hash: "SHA-256" } as const;

export type KeyPair = webcrypto.CryptoKeyPair;

/** A new key that can be exported. WebCrypto: a key of generateKeyPairSync can deadlock in Node 20 when exported. */
export function newKeyPair(): Promise<KeyPair> {
  return crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
}

export async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", key);
  return `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`;
}

/** Rejects for what is no P-256 key in PKCS #8, PEM. */
export async function keyPairOf(pem: string): Promise<KeyPair> {
  const [der] = PemConverter.decode(pem);
  if (der === undefined) throw new Error("there is no PEM block in it");
  const { subtle } = crypto;
  const privateKey = await subtle.importKey("pkcs8", der, KEY_ALGORITHM, true, ["sign"]);
  const { d: _secret, key_ops: _use, ...open } = await subtle.exportKey("jwk", privateKey);
  const publicKey = await subtle.importKey("jwk", open, KEY_ALGORITHM, true, ["verify"]);
  return { privateKey, publicKey };
}
