import { createCipheriv, createDecipheriv, type DecipherGCM } from "node:crypto";
import { PACKETS_PER_KEY } from "../limits.ts";
import { type PacketKeys, TAG_BYTES } from "../packet-keys.ts";
import { nextKey } from "./aes-gcm.ts";

const ALGORITHM = "aes-256-gcm";
const AUTH_TAG = { authTagLength: TAG_BYTES };

/**
 * Packets sealed with AES-256-GCM. Each direction has a key that is replaced after PACKETS_PER_KEY
 * packets; the one before it is kept for packets that come late.
 *
 * A direction moves on to the next key only with a packet that is sent or found genuine. A forged one
 * costs as much as any other; the first that claims the next key also costs making that.
 */
export class AesPacketKeys implements PacketKeys {
  private readonly outgoing: KeyLine;
  private readonly incoming: KeyLine;
  /** Four zero bytes and the packet's number, big-endian. */
  private readonly nonce = new Uint8Array(12);
  private readonly nonceView = new DataView(this.nonce.buffer);

  /** The keys of both directions: 32 bytes each. */
  constructor(options: { readonly outgoing: Uint8Array; readonly incoming: Uint8Array }) {
    this.outgoing = new KeyLine(options.outgoing);
    this.incoming = new KeyLine(options.incoming);
  }

  seal(number: number, packet: Uint8Array, start: number, end: number): number {
    const key = this.outgoing.keyOf(number);
    if (key === undefined)
      throw new RangeError(`Packet ${number} does not follow those that were sealed before.`);
    this.outgoing.used(key);
    this.setNonce(number);
    const cipher = createCipheriv(ALGORITHM, key, this.nonce, AUTH_TAG);
    cipher.setAAD(packet.subarray(0, start));
    packet.set(cipher.update(packet.subarray(start, end)), start);
    // Nothing is left for GCM to write, but the tag is there only afterwards.
    cipher.final();
    packet.set(cipher.getAuthTag(), end);
    return end + TAG_BYTES;
  }

  open(number: number, packet: Uint8Array, start: number): Uint8Array | undefined {
    const end = packet.length - TAG_BYTES;
    if (end < start) return undefined;
    const key = this.incoming.keyOf(number);
    if (key === undefined) return undefined;
    this.setNonce(number);
    const decipher = createDecipheriv(ALGORITHM, key, this.nonce, AUTH_TAG);
    decipher.setAAD(packet.subarray(0, start));
    decipher.setAuthTag(packet.subarray(end));
    const plain = decipher.update(packet.subarray(start, end));
    if (!isGenuine(decipher)) return undefined;
    this.incoming.used(key);
    return plain;
  }

  private setNonce(number: number): void {
    this.nonceView.setUint32(4, Math.floor(number / 2 ** 32));
    this.nonceView.setUint32(8, number >>> 0);
  }
}

function isGenuine(decipher: DecipherGCM): boolean {
  // A stack that nobody looks at is two thirds of what a forged packet costs.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    decipher.final();
    return true;
  } catch {
    // The only error of `final` here: the tag is another one.
    return false;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** The keys of one direction: the current one, the one before it, and the next once it was asked for. */
class KeyLine {
  private generation = 0;
  private previous: Uint8Array | undefined;
  private current: Uint8Array;
  private next: Uint8Array | undefined;

  constructor(first: Uint8Array) {
    this.current = first;
  }

  /** The key of a packet; undefined when it is of none of the three generations. */
  keyOf(number: number): Uint8Array | undefined {
    switch (Math.floor(number / PACKETS_PER_KEY) - this.generation) {
      case 0:
        return this.current;
      case -1:
        return this.previous;
      case 1:
        this.next ??= nextKey(this.current);
        return this.next;
      default:
        return undefined;
    }
  }

  /** A packet of this key was sent, or found genuine. */
  used(key: Uint8Array): void {
    if (key !== this.next) return;
    this.previous = this.current;
    this.current = key;
    this.next = undefined;
    this.generation += 1;
  }
}
