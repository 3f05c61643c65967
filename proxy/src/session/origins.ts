import { appended } from "./slot-table.ts";

const NO_NUMBER = 0;
const NO_TICK = -1;

/**
 * Which state message brought each slot's topic in full (docs/protocol.md, 11.4), for a client whose
 * topics change outside of state messages. Counted are state messages with sections, from 1 on.
 */
export class Origins {
  private count = 0;
  /** By slot, in pairs: the state message's number and its tick. */
  private pairs: number[] = [];

  /** The next state message with sections is of this tick; `add` its slots. */
  begin(): void {
    this.count += 1;
  }

  add(slot: number, tick: number): void {
    while (this.pairs.length <= 2 * slot)
      this.pairs = appended(appended(this.pairs, NO_NUMBER), NO_TICK);
    this.pairs[2 * slot] = this.count;
    this.pairs[2 * slot + 1] = tick;
  }

  /** 0 for a slot that had no full state yet. */
  of(slot: number): number {
    return this.pairs[2 * slot] ?? NO_NUMBER;
  }

  /** The tick of the slot's full state; −1 when it had none yet. */
  tickOf(slot: number): number {
    return this.pairs[2 * slot + 1] ?? NO_TICK;
  }
}
