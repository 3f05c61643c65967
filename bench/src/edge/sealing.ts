import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";

/** What each packet of the bare UDP echo goes through: the same AEAD as AtlasNet's, and nothing else. */

const TAG_BYTES = 16;
const NUMBER_BYTES = 8;
const nonce = Buffer.alloc(12);
// One key for all: nobody but the benchmark is listening.
const key = createSecretKey(Buffer.alloc(32, 7));

/** `number, ciphertext, tag`; the number is the nonce and the associated data. */
export function seal(number: number, plain: Uint8Array): Buffer {
  const packet = Buffer.allocUnsafe(NUMBER_BYTES + plain.length + TAG_BYTES);
  packet.writeUInt32BE(0, 0);
  packet.writeUInt32BE(number, 4);
  packet.copy(nonce, 4, 0, NUMBER_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(packet.subarray(0, NUMBER_BYTES));
  packet.set(cipher.update(plain), NUMBER_BYTES);
  cipher.final();
  packet.set(cipher.getAuthTag(), NUMBER_BYTES + plain.length);
  return packet;
}

export function open(packet: Buffer): Buffer {
  packet.copy(nonce, 4, 0, NUMBER_BYTES);
  const end = packet.length - TAG_BYTES;
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(packet.subarray(0, NUMBER_BYTES));
  decipher.setAuthTag(packet.subarray(end));
  const plain = decipher.update(packet.subarray(NUMBER_BYTES, end));
  decipher.final();
  return plain;
}
