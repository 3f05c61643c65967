/** How far behind the newest tick things are drawn, in ticks: two updates at half the tick rate. */
const MIN_DELAY_TICKS = 2;
const MAX_DELAY_TICKS = 8;
/** Ticks of deviation past which the clock jumps instead of drifting. */
const JUMP_TICKS = 10;
/** Shares of a deviation that are taken over: early ticks show the true pace, late ones mostly the network. */
const EARLY_GAIN = 0.25;
const LATE_GAIN = 0.05;
const JITTER_GAIN = 0.05;

/** Estimates which tick to draw at a moment, from when ticks were heard. Times in ms. */
export class RenderClock {
  private readonly msPerTick: number;
  private anchorTick = Number.NaN;
  private anchorAt = 0;
  private jitter = 0;
  private dilation = 1;
  private drawn = Number.NEGATIVE_INFINITY;

  constructor(tickRate: number) {
    this.msPerTick = 1000 / tickRate;
  }

  heard(tick: number, now: number, dilation: number): void {
    const error = tick - this.tickAt(now);
    this.dilation = dilation;
    if (!(Math.abs(error) <= JUMP_TICKS)) {
      this.anchorTick = tick;
      this.anchorAt = now;
      this.jitter = 0;
      this.drawn = Number.NEGATIVE_INFINITY;
      return;
    }
    this.anchorTick = tick - error * (1 - (error > 0 ? EARLY_GAIN : LATE_GAIN));
    this.anchorAt = now;
    this.jitter += (Math.abs(error) - this.jitter) * JITTER_GAIN;
  }

  /** The tick to draw, with a fraction; never goes back but after a jump. */
  renderTick(now: number): number {
    const delay = Math.min(MAX_DELAY_TICKS, MIN_DELAY_TICKS + 2 * this.jitter);
    const tick = this.tickAt(now) - delay;
    if (tick > this.drawn) this.drawn = tick;
    return this.drawn;
  }

  private tickAt(now: number): number {
    return this.anchorTick + ((now - this.anchorAt) / this.msPerTick) * this.dilation;
  }
}
