import { createHmac, timingSafeEqual } from "node:crypto";
import type { HostPort } from "./address.ts";

/** How long after a Retry the client's second packet is taken. */
export const RETRY_LIFETIME_MS = 10_000;

const KEY_BYTES = 32;
const EXPIRY_BYTES = 8;
const MAC_BYTES = 32;

/** Longest connection id of a client (RFC 9000), and so of the one within a token. */
const MAX_ID_BYTES = 20;

interface RetryTokensDependencies {
  readonly now: () => number;
  readonly random: (count: number) => Uint8Array;
}

/**
 * Address validation without state. A token is expiry ‖ HMAC-SHA-256 ‖ the id the client chose first; the
 * code covers those, the client's address and the id it was told to use from now on. The key is this
 * process's own: after a restart a client begins again.
 */
export class RetryTokens {
  private readonly key: Uint8Array;
  private readonly now: () => number;

  constructor({ now, random }: RetryTokensDependencies) {
    this.key = random(KEY_BYTES);
    this.now = now;
  }

  /** `originalId` is what the client chose, `newId` what it is told to use. */
  issue(from: HostPort, originalId: Uint8Array, newId: Uint8Array): Buffer {
    const expiry = Buffer.alloc(EXPIRY_BYTES);
    expiry.writeDoubleBE(this.now() + RETRY_LIFETIME_MS);
    return Buffer.concat([expiry, this.mac(expiry, from, originalId, newId), originalId]);
  }

  /** The id the client chose first, or undefined when the token is not ours, too old, or of another address. */
  verify(from: HostPort, token: Uint8Array, newId: Uint8Array): Buffer | undefined {
    const bytes = Buffer.from(token.buffer, token.byteOffset, token.byteLength);
    const idOffset = EXPIRY_BYTES + MAC_BYTES;
    if (bytes.length <= idOffset || bytes.length > idOffset + MAX_ID_BYTES) return undefined;
    const expiry = bytes.subarray(0, EXPIRY_BYTES);
    const originalId = bytes.subarray(idOffset);
    const mac = this.mac(expiry, from, originalId, newId);
    if (!timingSafeEqual(mac, bytes.subarray(EXPIRY_BYTES, idOffset))) return undefined;
    return expiry.readDoubleBE() >= this.now() ? originalId : undefined;
  }

  private mac(
    expiry: Uint8Array,
    from: HostPort,
    originalId: Uint8Array,
    newId: Uint8Array,
  ): Buffer {
    // The lengths of both ids are told, so that no byte can move from one field to the next.
    const lengths = Uint8Array.of(originalId.length, newId.length);
    return createHmac("sha256", this.key)
      .update(expiry)
      .update(lengths)
      .update(originalId)
      .update(newId)
      .update(`${from.host} ${from.port}`)
      .digest();
  }
}
