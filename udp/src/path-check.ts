import { CHALLENGE_INTERVAL_MS } from "./limits.ts";
import { CHALLENGE_BYTES } from "./packet/frames.ts";

/**
 * A server's doubt about where its client is (docs/protocol.md, 11.2, address change): a new path has to
 * answer a challenge, and gets no more bytes until then than came from it.
 */
export class PathCheck {
  private readonly randomBytes: (bytes: number) => Uint8Array;
  private candidate: string | undefined;
  private challenge: Uint8Array | undefined;
  private bytesFrom = 0;
  private bytesTo = 0;
  private sentAt = Number.NEGATIVE_INFINITY;
  /** Whether a packet came that asks for a challenge. */
  private wanted = false;

  constructor(randomBytes: (bytes: number) => Uint8Array) {
    this.randomBytes = randomBytes;
  }

  /** A genuine packet came from elsewhere; `newest` when its number is the highest so far. */
  came(path: string, bytes: number, newest: boolean): void {
    if (path !== this.candidate) {
      if (!newest) return;
      this.candidate = path;
      this.challenge = undefined;
      this.bytesFrom = 0;
      this.bytesTo = 0;
    }
    this.bytesFrom += bytes;
    if (newest) this.wanted = true;
  }

  /** A packet newer than all before came from where the client is thought to be. */
  settled(): void {
    this.candidate = undefined;
    this.challenge = undefined;
    this.wanted = false;
  }

  /** Whether a challenge of `bytes` bytes may go out now. */
  due(bytes: number, now: number): boolean {
    return (
      this.wanted &&
      now >= this.sentAt + CHALLENGE_INTERVAL_MS &&
      this.bytesTo + bytes <= this.bytesFrom
    );
  }

  /** The path to challenge and what with. Only when `due`. */
  challenging(now: number): { path: string; challenge: Uint8Array } {
    this.challenge ??= this.randomBytes(CHALLENGE_BYTES).slice();
    this.sentAt = now;
    this.wanted = false;
    return { path: this.candidate ?? "", challenge: this.challenge };
  }

  sent(bytes: number): void {
    this.bytesTo += bytes;
  }

  /** A response came. True: it is the right one, from the path in question, which is the path from now on. */
  answered(response: Uint8Array, path: string): boolean {
    const { challenge } = this;
    if (challenge === undefined || path !== this.candidate) return false;
    for (let i = 0; i < CHALLENGE_BYTES; i++) if (response[i] !== challenge[i]) return false;
    this.candidate = undefined;
    this.challenge = undefined;
    this.wanted = false;
    // A client that is really there may go on to the next place at once.
    this.sentAt = Number.NEGATIVE_INFINITY;
    return true;
  }
}
