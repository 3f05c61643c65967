/**
 * Ticks that a mirror has yet to acknowledge, and since when it owes an acknowledgement. At most as many as a shard
 * makes ticks within the time after which a mirror is lost.
 */
export class Unacknowledged {
  private readonly ticks: { readonly tick: number; at: number }[] = [];
  /** When it was heard last. */
  private heardAt = 0;

  get count(): number {
    return this.ticks.length;
  }

  /** From when on it has been owing something, in ms: the oldest tick, or any word. */
  get since(): number {
    const [oldest] = this.ticks;
    return oldest === undefined ? this.heardAt : Math.min(this.heardAt, oldest.at);
  }

  /** Nothing is owed at `now`. */
  begin(now: number): void {
    this.ticks.length = 0;
    this.heardAt = now;
  }

  made(tick: number, now: number): void {
    this.ticks.push({ tick, at: now });
  }

  acknowledged(tick: number, now: number): void {
    this.heardAt = now;
    const left = this.ticks.findIndex((each) => each.tick > tick);
    this.ticks.splice(0, left < 0 ? this.ticks.length : left);
  }

  /** So many ms do not count. */
  shift(ms: number): void {
    this.heardAt += ms;
    for (const each of this.ticks) each.at += ms;
  }
}
