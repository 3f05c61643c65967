import { SimViolation } from "../violation.ts";

/**
 * Operations seem to happen at one moment between their call and their answer. Every operation has
 * a place in the log (a write its index, a read the index it saw), so it is enough that nothing
 * comes before what was answered before it was called.
 */
export class Linearizable {
  private answered = 0;

  /** An operation is called: keep the result for its answer. */
  call(): number {
    return this.answered;
  }

  answerWrite(calledAt: number, index: number): void {
    if (index <= calledAt)
      throw new SimViolation(
        "linearizable writes",
        `a write took effect at ${index}, but ${calledAt} was answered before it was called`,
      );
    this.answered = Math.max(this.answered, index);
  }

  answerRead(calledAt: number, index: number): void {
    if (index < calledAt)
      throw new SimViolation(
        "linearizable reads",
        `a read saw the state at ${index}, but ${calledAt} was answered before it was called`,
      );
    this.answered = Math.max(this.answered, index);
  }
}
