import { REPLAY_WINDOW_PACKETS } from "../limits.ts";

/**
 * Twice the window: a word of the ring is cleared as a whole when the first number that it stands for
 * comes, and must hold nothing of the window then.
 */
const WORDS = (2 * REPLAY_WINDOW_PACKETS) / 32;

/**
 * Which of the last packet numbers came. Mostly that is all of them, so a row without a gap is remembered
 * by its ends; only while it does not reach over the whole window, there is also one bit for each number,
 * in a ring.
 */
export class ReplayWindow {
  private words: Uint32Array | undefined;
  private top = -1;
  /** All numbers from here to `top` came. */
  private rowBegan = 0;

  /** The highest number taken so far; -1 before the first. */
  get highest(): number {
    return this.top;
  }

  /** Whether a packet of this number may be taken: it did not come before, and is not too old to tell. */
  isNew(number: number): boolean {
    if (number > this.top) return true;
    if (number >= this.rowBegan || number <= this.top - REPLAY_WINDOW_PACKETS) return false;
    const word = this.words?.[(number >>> 5) & (WORDS - 1)] ?? 0;
    return (word & (1 << (number & 31))) === 0;
  }

  /** Notes a genuine packet's number for which `isNew` was true. */
  take(number: number): void {
    const { top } = this;
    if (number === top + 1) {
      this.top = number;
      if (this.words === undefined) return;
      // What the row does not reach is too old to tell: no bits are needed any more.
      if (number - this.rowBegan >= REPLAY_WINDOW_PACKETS) this.words = undefined;
      else this.note(this.words, top, number);
      return;
    }
    this.words ??= this.wordsOfRow();
    if (number > top) {
      this.top = number;
      this.rowBegan = number;
    }
    this.note(this.words, top, number);
  }

  private note(words: Uint32Array, top: number, number: number): void {
    if (number > top) {
      const word = Math.floor(number / 32);
      const topWord = Math.floor(top / 32);
      // The words between are of numbers that fell out of the window, a whole turn of the ring ago.
      const stale = Math.min(word - topWord, WORDS);
      for (let i = 0; i < stale; i++) words[(word - i) & (WORDS - 1)] = 0;
    }
    const at = (number >>> 5) & (WORDS - 1);
    words[at] = (words[at] ?? 0) | (1 << (number & 31));
  }

  private wordsOfRow(): Uint32Array {
    const words = new Uint32Array(WORDS);
    const first = Math.max(this.rowBegan, this.top - REPLAY_WINDOW_PACKETS + 1);
    for (let number = first; number <= this.top; number++) {
      const at = (number >>> 5) & (WORDS - 1);
      words[at] = (words[at] ?? 0) | (1 << (number & 31));
    }
    return words;
  }
}
