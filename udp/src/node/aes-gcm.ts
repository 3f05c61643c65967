import { createCipheriv, createDecipheriv } from "node:crypto";
import { TAG_BYTES } from "../packet-keys.ts";

/** AES-256-GCM as Noise has it: for the few blocks of a handshake. Packets have their own, AesPacketKeys. */

const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const AUTH_TAG = { authTagLength: TAG_BYTES };

/** Noise's nonce for the first message of a key. */
export const FIRST_NONCE = new Uint8Array(NONCE_BYTES);
/** Noise's nonce of REKEY: 2^64 − 1. */
const REKEY_NONCE = new Uint8Array([0, 0, 0, 0, ...Array<number>(8).fill(0xff)]);
const ZEROS = new Uint8Array(32);
const NO_DATA = new Uint8Array(0);

/** Ciphertext and tag. */
export function encrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  data: Uint8Array,
  plain: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv(ALGORITHM, key, nonce, AUTH_TAG);
  cipher.setAAD(data);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** The plain bytes; undefined when they are not genuine. */
export function decrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  data: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const end = sealed.length - TAG_BYTES;
  if (end < 0) return undefined;
  const decipher = createDecipheriv(ALGORITHM, key, nonce, AUTH_TAG);
  decipher.setAAD(data);
  decipher.setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    // The only error of `final` here: the tag is another one.
    return undefined;
  }
  return plain;
}

/** The key after this one: Noise's REKEY. */
export function nextKey(key: Uint8Array): Uint8Array {
  return encrypt(key, REKEY_NONCE, NO_DATA, ZEROS).subarray(0, ZEROS.length);
}
