import { MAX_PACKET_BYTES } from "../limits.ts";
import { type PacketKeys, TAG_BYTES } from "../packet-keys.ts";

/**
 * Keys that hide nothing, but tell a packet that was changed, or sealed with other keys, as good as the real ones.
 * What `open` returned is overwritten by the next `open`, as the contract allows.
 */
export class ToyKeys implements PacketKeys {
  private readonly sealSecret: number;
  private readonly openSecret: number;
  private readonly plain = new Uint8Array(MAX_PACKET_BYTES);
  private readonly tag = new Uint8Array(TAG_BYTES);

  constructor(sealSecret: number, openSecret: number) {
    this.sealSecret = sealSecret;
    this.openSecret = openSecret;
  }

  seal(number: number, packet: Uint8Array, _start: number, end: number): number {
    writeTag(this.tag, this.sealSecret, number, packet, end);
    packet.set(this.tag, end);
    return end + TAG_BYTES;
  }

  open(number: number, packet: Uint8Array, start: number): Uint8Array | undefined {
    const end = packet.length - TAG_BYTES;
    if (end < start) return undefined;
    writeTag(this.tag, this.openSecret, number, packet, end);
    for (let i = 0; i < TAG_BYTES; i++) if (packet[end + i] !== this.tag[i]) return undefined;
    this.plain.fill(0xdd);
    this.plain.set(packet.subarray(start, end));
    return this.plain.subarray(0, end - start);
  }
}

/** Both sides of one connection. */
export function toyKeyPair(): { client: ToyKeys; server: ToyKeys } {
  return { client: new ToyKeys(1, 2), server: new ToyKeys(2, 1) };
}

function writeTag(
  tag: Uint8Array,
  secret: number,
  number: number,
  packet: Uint8Array,
  end: number,
): void {
  let a = Math.imul(secret + 1, 0x9e3779b1) ^ number;
  let b = Math.floor(number / 2 ** 32) ^ end;
  for (let i = 0; i < end; i++) {
    const byte = packet[i] ?? 0;
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul((b ^ byte) + 0x7f4a7c15, 0x5bd1e995) ^ (a >>> 15);
  }
  const view = new DataView(tag.buffer);
  view.setInt32(0, a);
  view.setInt32(4, b);
  view.setInt32(8, Math.imul(a ^ (b >>> 13), 0x85ebca6b));
  view.setInt32(12, Math.imul(b ^ (a >>> 16), 0xc2b2ae35));
}
