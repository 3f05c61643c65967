import type { Clock, Timer } from "@atlasnet/core";

/** What comes within this time is written at once, so that a flood of lines does not draw the table as often. */
const GATHER_MS = 40;
const CLEAR_BELOW = "\u001b[J";
/** Rows that stay free for lines above the footer, where the terminal has them. */
const MIN_LOG_ROWS = 4;

export interface FooterDependencies {
  readonly clock: Clock;
  /** Writes to the terminal. */
  out(text: string): void;
  /** Rows of the terminal now. */
  rows(): number;
  /** The footer's lines now; none of them wraps. */
  lines(): readonly string[];
}

/** Lines that scroll on a terminal, and below them a few that stay and are drawn anew. */
export class Footer {
  private readonly dependencies: FooterDependencies;
  private readonly waiting: string[] = [];
  private timer: Timer | undefined;
  private drawn = 0;
  private ended = false;

  constructor(dependencies: FooterDependencies) {
    this.dependencies = dependencies;
  }

  /** A line (or some) for the scrolling part. */
  print(text: string): void {
    if (this.ended) return this.dependencies.out(`${text}\n`);
    this.waiting.push(text);
    this.refresh();
  }

  /** Draws the footer soon. */
  refresh(): void {
    if (this.ended) return;
    this.timer ??= this.dependencies.clock.setTimer(GATHER_MS, () => this.draw());
  }

  /** Takes the footer away; what is printed from now on just scrolls. Idempotent. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.timer?.cancel();
    this.write([]);
  }

  private draw(): void {
    this.timer = undefined;
    const { rows, lines } = this.dependencies;
    const room = Math.max(0, rows() - MIN_LOG_ROWS);
    this.write(lines().slice(0, room));
  }

  /** In one write, so that no half of it is seen. */
  private write(footer: readonly string[]): void {
    const back = this.drawn === 0 ? "" : `\u001b[${this.drawn}A\r${CLEAR_BELOW}`;
    const text = [...this.waiting.splice(0), ...footer].map((line) => `${line}\n`).join("");
    this.drawn = footer.length;
    if (back !== "" || text !== "") this.dependencies.out(back + text);
  }
}
