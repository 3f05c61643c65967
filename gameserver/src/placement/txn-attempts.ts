import { pauseOf, TXN_PAUSES } from "./pauses.ts";

/**
 * The tries of a transaction, numbered from 1, one at a time, with TXN_PAUSES between those that failed: an answer that
 * comes to an earlier one is of no account. Pure; times in ms, on any clock that does not go back.
 */
export class TxnAttempts {
  /** The one under way; 0: none. */
  private current = 0;
  private made = 0;
  private failures = 0;
  private dueAt = 0;

  /** When the next try is to be made; Infinity while one is under way. */
  get nextAt(): number {
    return this.current === 0 ? this.dueAt : Number.POSITIVE_INFINITY;
  }

  isDue(now: number): boolean {
    return now >= this.nextAt;
  }

  /** The number of the next try, for its request's id. */
  get next(): number {
    return this.made + 1;
  }

  /** Makes the next try; its number. */
  begin(): number {
    this.made += 1;
    this.current = this.made;
    return this.current;
  }

  /** False when this is not the answer to the try under way, which it ends otherwise. */
  answered(attempt: number): boolean {
    if (attempt !== this.current) return false;
    this.current = 0;
    return true;
  }

  /** It failed, or could not be made: the next one comes after a pause. */
  pause(now: number): void {
    this.failures += 1;
    this.dueAt = now + pauseOf(TXN_PAUSES, this.failures);
  }

  /** The next one, or another one in its place, need not wait. */
  hurry(now: number): void {
    this.dueAt = now;
  }

  /** There is something else to be tried, at once: what was under way is of no account, failures count anew. */
  restart(now: number): void {
    this.forget();
    this.failures = 0;
    this.dueAt = now;
  }

  /** The answer to what is under way is of no account. */
  forget(): void {
    this.current = 0;
  }
}
