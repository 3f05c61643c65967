import { chained, EMPTY_CHAIN, type Hash } from "../hash.ts";

/** Messages of one direction and stream that are kept, to be looked at again after a rollback. */
export const MAX_KEPT_MESSAGES = 8_192;
/** How many are cut off at a time. */
const CUT = 2_048;

/**
 * Messages 1, 2, 3… of a stream: their hashes, the chain up to each, and when they were first seen. The oldest are
 * forgotten; what would have needed them is then not proved, and not a violation.
 */
export class MessageLog {
  private readonly maxKept: number;
  private hashes: Hash[] = [];
  /** Undefined where the chain before is not known. */
  private chains: (Hash | undefined)[] = [];
  private times: number[] = [];
  /** Number of the first one kept. */
  private first = 1;
  /** The chain up to before `first`. */
  private base: Hash | undefined;

  /** A stream that goes on in a session, behind messages that are not `known` here, has no chain until `anchor`. */
  constructor({ known = true, maxKept = MAX_KEPT_MESSAGES } = {}) {
    this.base = known ? EMPTY_CHAIN : undefined;
    this.maxKept = maxKept;
  }

  /** Number of the last one; 0 for none. */
  get last(): number {
    return this.first + this.hashes.length - 1;
  }

  add(hash: Hash, at: number): void {
    this.chains.push(next(this.hashes.length === 0 ? this.base : this.chains.at(-1), hash));
    this.hashes.push(hash);
    this.times.push(at);
    if (this.hashes.length < this.maxKept + CUT) return;
    const cut = this.hashes.length - this.maxKept;
    this.base = this.chains[cut - 1];
    this.hashes = this.hashes.slice(cut);
    this.chains = this.chains.slice(cut);
    this.times = this.times.slice(cut);
    this.first += cut;
  }

  /** Undefined for what is forgotten, or not there yet. */
  hash(n: number): Hash | undefined {
    return this.hashes[n - this.first];
  }

  firstAt(n: number): number | undefined {
    return this.times[n - this.first];
  }

  /** The chain of messages 1 to `n`; undefined when it is not known. */
  chain(n: number): Hash | undefined {
    return n === this.first - 1 ? this.base : this.chains[n - this.first];
  }

  /** Which of the messages around `n` has this hash; for words. */
  whichIs(hash: Hash): number | undefined {
    const at = this.hashes.lastIndexOf(hash);
    return at < 0 ? undefined : this.first + at;
  }

  /** The world went back: messages above `n` are none any more. */
  truncate(n: number): void {
    const length = Math.max(0, n - this.first + 1);
    this.hashes.length = Math.min(this.hashes.length, length);
    this.chains.length = this.hashes.length;
    this.times.length = this.hashes.length;
    if (n >= this.first - 1) return;
    // Older than what is kept: from here on the chain is not known, and any would be right.
    this.first = n + 1;
    this.base = undefined;
  }

  /** Somebody who knows says what the chain of messages 1 to `n` is. */
  anchor(n: number, chain: Hash): void {
    let last: Hash | undefined = chain;
    if (n === this.first - 1) this.base = chain;
    else this.chains[n - this.first] = chain;
    for (let i = n - this.first + 1; i < this.hashes.length; i++) {
      last = next(last, this.hashes[i] ?? 0);
      this.chains[i] = last;
    }
  }
}

function next(chain: Hash | undefined, hash: Hash): Hash | undefined {
  return chain === undefined ? undefined : chained(chain, hash);
}
