/**
 * Which state message brought each slot's topic in full (docs/protocol.md, 11.4), for a client whose
 * topics change outside of state messages. Counted are state messages with sections, from 1 on.
 */
export class Origins {
  private count = 0;
  private readonly numbers: number[] = [];
  private readonly ticks: number[] = [];

  /** The next state message with sections is of this tick; `add` its slots. */
  begin(): void {
    this.count += 1;
  }

  add(slot: number, tick: number): void {
    this.numbers[slot] = this.count;
    this.ticks[slot] = tick;
  }

  /** 0 for a slot that had no full state yet. */
  of(slot: number): number {
    return this.numbers[slot] ?? 0;
  }

  /** The tick of the slot's full state; −1 when it had none yet. */
  tickOf(slot: number): number {
    return this.ticks[slot] ?? -1;
  }
}
