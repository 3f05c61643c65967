import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { KEY_BYTES } from "../handshake/packets.ts";

/** X25519 over raw keys. JWK carries them: importing one that way takes a tenth of the time DER takes. */

/** A private key and its public part as raw bytes. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
}

/** What stands before the raw bytes in a private X25519 key in PKCS #8. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");

export function newKeyPair(): KeyPair {
  const { privateKey } = generateKeyPairSync("x25519");
  return { privateKey, publicKey: publicBytes(privateKey) };
}

/** @throws RangeError unless it has 32 bytes. */
export function keyPairOf(privateKey: Uint8Array): KeyPair {
  if (privateKey.length !== KEY_BYTES)
    throw new RangeError(`An X25519 key has ${KEY_BYTES} bytes, found ${privateKey.length}.`);
  // Slow, but a JWK would want the public part beside it.
  const der = Buffer.concat([PKCS8_PREFIX, privateKey]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return { privateKey: key, publicKey: publicBytes(key) };
}

/** 32 new bytes for `createServerIdentity`. */
export function newPrivateKey(): Uint8Array {
  const { d = "" } = generateKeyPairSync("x25519").privateKey.export({ format: "jwk" });
  return new Uint8Array(Buffer.from(d, "base64url"));
}

function publicBytes(key: KeyObject): Uint8Array {
  const { x = "" } = key.export({ format: "jwk" });
  return Buffer.from(x, "base64url");
}

/** The shared secret; undefined for a public key of low order, with which it would be no secret. */
export function sharedSecret(own: KeyPair, publicKey: Uint8Array): Uint8Array | undefined {
  const x = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length);
  const other = createPublicKey({
    key: { kty: "OKP", crv: "X25519", x: x.toString("base64url") },
    format: "jwk",
  });
  let secret: Uint8Array;
  try {
    secret = diffieHellman({ privateKey: own.privateKey, publicKey: other });
  } catch {
    // OpenSSL refuses the all-zero secret itself; there is no other way for this to fail.
    return undefined;
  }
  return secret.some((byte) => byte !== 0) ? secret : undefined;
}
