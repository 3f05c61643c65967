import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";
import { COOKIE_BYTES } from "../handshake/packets.ts";

/** How long a cookie is good for at least; at most a second longer. */
export const COOKIE_LIFE_MS = 10_000;

const SECRET_BYTES = 32;
const TIME_BYTES = 4;
const TICK_MS = 1000;

/**
 * Cookies prove that somebody can receive at a path, without the server keeping anything: the time
 * they were made in seconds, and an HMAC over that, the client's id, its ephemeral key and the path.
 */
export class Cookies {
  private readonly secret: KeyObject;

  constructor(dependencies: { readonly randomBytes: (count: number) => Uint8Array }) {
    this.secret = createSecretKey(dependencies.randomBytes(SECRET_BYTES));
  }

  /** `now` in ms of a monotonic clock. */
  make(clientId: Uint8Array, e: Uint8Array, path: string, now: number): Uint8Array {
    const cookie = new Uint8Array(COOKIE_BYTES);
    const time = Math.floor(now / TICK_MS) >>> 0;
    new DataView(cookie.buffer).setUint32(0, time);
    const mac = this.macOf(cookie.subarray(0, TIME_BYTES), clientId, e, path);
    cookie.set(mac.subarray(0, COOKIE_BYTES - TIME_BYTES), TIME_BYTES);
    return cookie;
  }

  /** True for a cookie of the last ten seconds for the same client id, key and path. */
  isGood(
    cookie: Uint8Array,
    clientId: Uint8Array,
    e: Uint8Array,
    path: string,
    now: number,
  ): boolean {
    if (cookie.length !== COOKIE_BYTES) return false;
    const time = cookie.subarray(0, TIME_BYTES);
    const made = new DataView(time.buffer, time.byteOffset).getUint32(0);
    // One from the future is very old in 32 bits.
    const age = ((Math.floor(now / TICK_MS) - made) >>> 0) * TICK_MS;
    if (age > COOKIE_LIFE_MS) return false;
    const mac = this.macOf(time, clientId, e, path);
    return timingSafeEqual(mac.subarray(0, COOKIE_BYTES - TIME_BYTES), cookie.subarray(TIME_BYTES));
  }

  private macOf(time: Uint8Array, clientId: Uint8Array, e: Uint8Array, path: string): Buffer {
    // All but the path have one length, so no two questions give the same bytes.
    return createHmac("sha256", this.secret)
      .update(time)
      .update(clientId)
      .update(e)
      .update(path)
      .digest();
  }
}
