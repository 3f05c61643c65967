import { createCipheriv, createDecipheriv, type DecipherGCM } from "node:crypto";
import { PACKETS_PER_KEY } from "../limits.ts";
import { type PacketKeys, TAG_BYTES } from "../packet-keys.ts";
import { nextKey } from "./aes-gcm.ts";

const ALGORITHM = "aes-256-gcm";
const AUTH_TAG = { authTagLength: TAG_BYTES };
const KEY_BYTES = 32;

/**
 * What a cipher is made from; it has a copy then, so one of each serves all connections. Bytes that were
 * handed to OpenSSL once lie outside of the heap for good, which costs several times what they hold.
 */
const KEY = new Uint8Array(KEY_BYTES);
/** Four zero bytes and the packet's number, big-endian. */
const NONCE = new Uint8Array(12);
const NONCE_VIEW = new DataView(NONCE.buffer);

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

  /** The keys of both directions: 32 bytes each. */
  constructor(options: { readonly outgoing: Uint8Array; readonly incoming: Uint8Array }) {
    const current = new Uint8Array(2 * KEY_BYTES);
    this.outgoing = new KeyLine(options.outgoing, current, 0);
    this.incoming = new KeyLine(options.incoming, current, KEY_BYTES);
  }

  seal(number: number, packet: Uint8Array, start: number, end: number): number {
    const key = this.outgoing.keyOf(number);
    if (key === undefined)
      throw new RangeError(`Packet ${number} does not follow those that were sealed before.`);
    this.outgoing.used(key);
    setNonce(number);
    const cipher = createCipheriv(ALGORITHM, key, NONCE, AUTH_TAG);
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
    setNonce(number);
    const decipher = createDecipheriv(ALGORITHM, key, NONCE, AUTH_TAG);
    decipher.setAAD(packet.subarray(0, start));
    decipher.setAuthTag(packet.subarray(end));
    const plain = decipher.update(packet.subarray(start, end));
    if (!isGenuine(decipher)) return undefined;
    this.incoming.used(key);
    return plain;
  }
}

function setNonce(number: number): void {
  NONCE_VIEW.setUint32(4, Math.floor(number / 2 ** 32));
  NONCE_VIEW.setUint32(8, number >>> 0);
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
  /** The current one lies here, from `at` on. */
  private readonly store: Uint8Array;
  private readonly at: number;
  private next: Uint8Array | undefined;

  constructor(first: Uint8Array, store: Uint8Array, at: number) {
    store.set(first, at);
    this.store = store;
    this.at = at;
  }

  /** The key of a packet, valid until the next call; undefined when it is of none of the three generations. */
  keyOf(number: number): Uint8Array | undefined {
    switch (Math.floor(number / PACKETS_PER_KEY) - this.generation) {
      case 0:
        return this.current();
      case -1:
        return this.previous;
      case 1:
        this.next ??= nextKey(this.current());
        return this.next;
      default:
        return undefined;
    }
  }

  /** A packet of this key was sent, or found genuine. */
  used(key: Uint8Array): void {
    if (key !== this.next) return;
    this.previous = this.current().slice();
    this.store.set(key, this.at);
    this.next = undefined;
    this.generation += 1;
  }

  private current(): Uint8Array {
    const { store, at } = this;
    // Not by `subarray`: a view would take the store out of the heap.
    for (let i = 0; i < KEY_BYTES; i++) KEY[i] = store[at + i] ?? 0;
    return KEY;
  }
}
