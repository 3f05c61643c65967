/** A power of two. */
const REMEMBERED = 16;

/**
 * When the last packets were sent that do not ask for an ack. An ack may name one as its largest, and
 * then it is the one whose round trip is measured.
 */
export class SilentSends {
  private readonly numbers: number[] = [];
  private readonly times: number[] = [];

  sent(number: number, now: number): void {
    const at = number % REMEMBERED;
    while (this.numbers.length <= at) {
      this.numbers.push(-1);
      this.times.push(0);
    }
    this.numbers[at] = number;
    this.times[at] = now;
  }

  sentAt(number: number): number | undefined {
    const at = number % REMEMBERED;
    return this.numbers[at] === number ? this.times[at] : undefined;
  }
}
