import { createCipheriv, createHmac } from "node:crypto";

/** RFC 9001, section 5.2: everybody can make the keys of first packets, and so write any frames into them. */
const SALT = Buffer.from("38762cf7f55934b34d179ae6a4c80cadccbb7f0a", "hex");
const SAMPLE_BYTES = 16;
const NUMBER_BYTES = 4;
const TAG_BYTES = 16;

export interface InitialPacket {
  /** The server's connection id: the one of the Retry, or the client's first choice. */
  readonly to: Uint8Array;
  readonly from: Uint8Array;
  readonly token: Uint8Array;
  readonly number: number;
  /** Frames. */
  readonly payload: Uint8Array;
  /** Padded to so many bytes. */
  readonly bytes: number;
}

/** A client's Initial packet of QUIC version 1, sealed as it has to be, around whatever frames. */
export function initialPacket({ to, from, token, number, payload, bytes }: InitialPacket): Buffer {
  const keys = clientKeys(to);
  const start = Buffer.concat([
    Buffer.of(0xc3, 0, 0, 0, 1, to.length),
    to,
    Buffer.of(from.length),
    from,
    twoByteNumber(token.length),
    token,
  ]);
  const numberAt = start.length + 2;
  const frames = Buffer.alloc(
    Math.max(payload.length, bytes - numberAt - NUMBER_BYTES - TAG_BYTES),
  );
  frames.set(payload);
  const numberBytes = Buffer.alloc(NUMBER_BYTES);
  numberBytes.writeUInt32BE(number);
  const length = twoByteNumber(NUMBER_BYTES + frames.length + TAG_BYTES);
  const head = Buffer.concat([start, length, numberBytes]);
  const nonce = Buffer.from(keys.iv);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ number) >>> 0, 8);
  const cipher = createCipheriv("aes-128-gcm", keys.key, nonce);
  cipher.setAAD(head);
  const packet = Buffer.concat([head, cipher.update(frames), cipher.final(), cipher.getAuthTag()]);
  const sampleAt = numberAt + NUMBER_BYTES;
  const mask = createCipheriv("aes-128-ecb", keys.hp, null).update(
    packet.subarray(sampleAt, sampleAt + SAMPLE_BYTES),
  );
  packet[0] = (packet[0] ?? 0) ^ ((mask[0] ?? 0) & 0x0f);
  for (let n = 0; n < NUMBER_BYTES; n++)
    packet[numberAt + n] = (packet[numberAt + n] ?? 0) ^ (mask[1 + n] ?? 0);
  return packet;
}

function clientKeys(id: Uint8Array): { key: Buffer; iv: Buffer; hp: Buffer } {
  const initial = createHmac("sha256", SALT).update(id).digest();
  const secret = expand(initial, "client in", 32);
  return {
    key: expand(secret, "quic key", 16),
    iv: expand(secret, "quic iv", 12),
    hp: expand(secret, "quic hp", 16),
  };
}

/** HKDF-Expand-Label of TLS 1.3 for one block at most. */
function expand(secret: Uint8Array, label: string, bytes: number): Buffer {
  const full = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.of(0, bytes, full.length), full, Buffer.of(0, 1)]);
  return createHmac("sha256", secret).update(info).digest().subarray(0, bytes);
}

function twoByteNumber(value: number): Buffer {
  return Buffer.of(0x40 | (value >> 8), value & 0xff);
}
