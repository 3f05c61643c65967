import { createHmac, randomBytes } from "node:crypto";

const TOKEN_BYTES = 16;

/** Of the packet that says so: a first byte, random ones that look like any packet's, the token. */
export const RESET_BYTES = 40;

/** Only what is longer is answered, so that two that have both forgotten do not talk for ever. */
export const MIN_ANSWERED_BYTES = RESET_BYTES + 1;

const SHORT_HEADER = 0x40;
const SHORT_HEADER_RANDOM_MASK = 0x3f;

/**
 * Stateless resets (RFC 9000, section 10.3). A process that starts again has forgotten its connections, and
 * their clients would find out at the idle timeout only. So each client is told a secret token in the handshake,
 * derived from the connection's id and the node's private key: the next process of the node knows it too, and
 * answers a packet of a connection it does not know with that token. Nobody else can.
 */
export class ResetTokens {
  private readonly key: Uint8Array;

  /** PEM. */
  constructor(options: { readonly privateKey: string }) {
    this.key = createHmac("sha256", options.privateKey).update("atlasnet reset").digest();
  }

  token(connectionId: Uint8Array): Buffer {
    return createHmac("sha256", this.key).update(connectionId).digest().subarray(0, TOKEN_BYTES);
  }

  /** As the native library takes it. */
  number(connectionId: Uint8Array): bigint {
    return BigInt(`0x${this.token(connectionId).toString("hex")}`);
  }

  /** Writes the packet to `out`; returns its length. */
  write(out: Buffer, connectionId: Uint8Array): number {
    const random = randomBytes(RESET_BYTES - TOKEN_BYTES);
    out.set(random);
    out[0] = ((random[0] ?? 0) & SHORT_HEADER_RANDOM_MASK) | SHORT_HEADER;
    out.set(this.token(connectionId), random.length);
    return RESET_BYTES;
  }
}
