import { REPLAY_WINDOW_PACKETS } from "../limits.ts";

/**
 * Twice the window: a word of the ring is cleared as a whole when the first number that it stands for
 * comes, and must hold nothing of the window then.
 */
const WORDS = (2 * REPLAY_WINDOW_PACKETS) / 32;

/** Which of the last packet numbers came: one bit each, in a ring. */
export class ReplayWindow {
  private readonly words = new Uint32Array(WORDS);
  private top = -1;

  /** The highest number taken so far; -1 before the first. */
  get highest(): number {
    return this.top;
  }

  /** Whether a packet of this number may be taken: it did not come before, and is not too old to tell. */
  isNew(number: number): boolean {
    if (number > this.top) return true;
    if (number <= this.top - REPLAY_WINDOW_PACKETS) return false;
    return ((this.words[(number >>> 5) & (WORDS - 1)] ?? 0) & (1 << (number & 31))) === 0;
  }

  /** Notes a genuine packet's number for which `isNew` was true. */
  take(number: number): void {
    const words = this.words;
    if (number > this.top) {
      const word = Math.floor(number / 32);
      const topWord = Math.floor(this.top / 32);
      // The words between are of numbers that fell out of the window, a whole turn of the ring ago.
      const stale = Math.min(word - topWord, WORDS);
      for (let i = 0; i < stale; i++) words[(word - i) & (WORDS - 1)] = 0;
      this.top = number;
    }
    const at = (number >>> 5) & (WORDS - 1);
    words[at] = (words[at] ?? 0) | (1 << (number & 31));
  }
}
