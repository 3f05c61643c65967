import assert from "node:assert/strict";
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { KEY_BYTES } from "../handshake/packets.ts";

/** X25519 over raw keys. They travel as JWK: importing a public key that way takes a tenth of DER's time. */

/** A private key and its public part as raw bytes. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
}

/** What stands before the raw bytes of a private X25519 key in PKCS #8. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const AS_JWK = {
  publicKeyEncoding: { format: "jwk" },
  privateKeyEncoding: { format: "jwk" },
} as const;

export function newKeyPair(): KeyPair {
  // Never as key objects: in Node 20, exporting or using one that was generated (not imported) locks up the
  // process for good when the garbage collector comes by in the middle and frees the job that made it.
  const { privateKey: jwk }: { privateKey: unknown } = generateKeyPairSync("x25519", AS_JWK);
  assert.ok(isJwk(jwk), "a generated key comes as the JWK that was asked for");
  return { privateKey: createPrivateKey({ key: jwk, format: "jwk" }), publicKey: publicOf(jwk) };
}

/** @throws RangeError unless it has 32 bytes. */
export function keyPairOf(privateKey: Uint8Array): KeyPair {
  if (privateKey.length !== KEY_BYTES)
    throw new RangeError(`An X25519 key has ${KEY_BYTES} bytes, found ${privateKey.length}.`);
  // Slow, but a JWK would want the public part beside it.
  const der = Buffer.concat([PKCS8_PREFIX, privateKey]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return { privateKey: key, publicKey: publicOf(key.export({ format: "jwk" })) };
}

/** 32 bytes for `createServerIdentity`. Any are good: X25519 sets the bits that have to be set. */
export function newPrivateKey(): Uint8Array {
  return new Uint8Array(randomBytes(KEY_BYTES));
}

/** Node's types know nothing of keys that are generated as JWK. */
function isJwk(value: unknown): value is JsonWebKey {
  return typeof value === "object" && value !== null && "d" in value && "x" in value;
}

function publicOf({ x = "" }: JsonWebKey): Uint8Array {
  return new Uint8Array(Buffer.from(x, "base64url"));
}

/** A peer's public key, for `sharedSecret`. Every 32 bytes are one. */
export function importPublicKey(raw: Uint8Array): KeyObject {
  const x = Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
}

/** Undefined for a public key of low order: with that, the secret would be none. */
export function sharedSecret(own: KeyPair, publicKey: KeyObject): Uint8Array | undefined {
  let secret: Uint8Array;
  try {
    secret = diffieHellman({ privateKey: own.privateKey, publicKey });
  } catch {
    // OpenSSL refuses the all-zero secret itself; nothing else can fail between two keys of one curve.
    return undefined;
  }
  return secret.some((byte) => byte !== 0) ? secret : undefined;
}
