import type { Clock, Timer } from "@atlasnet/core";

/** The screen is drawn at most so often. */
export const REDRAW_MS = 250;
const HOME_AND_CLEAR = "\u001b[H\u001b[J";
const OTHER_SCREEN = "\u001b[?1049h\u001b[?25l";
const BACK = "\u001b[?25h\u001b[?1049l";

export interface ScreenDependencies {
  clock: Clock;
  out(text: string): void;
  /** Rows of the terminal now. */
  rows(): number;
  lines(): readonly string[];
}

/** Draws lines in place on a terminal, on its second screen, until it is stopped. */
export class Screen {
  private readonly dependencies: ScreenDependencies;
  private timer: Timer | undefined;
  private started = false;

  constructor(dependencies: ScreenDependencies) {
    this.dependencies = dependencies;
  }

  start(): void {
    if (this.started) return;
    this.started = true;
    this.dependencies.out(OTHER_SCREEN);
    this.draw();
  }

  private draw(): void {
    const { clock, out, rows, lines } = this.dependencies;
    const all = lines();
    // The last row stays free: a line break there would scroll.
    const room = Math.max(1, rows() - 1);
    const shown =
      all.length <= room
        ? all
        : [...all.slice(0, room - 1), `… ${all.length - room + 1} more lines`];
    out(`${HOME_AND_CLEAR}${shown.join("\n")}\n`);
    this.timer = clock.setTimer(REDRAW_MS, () => this.draw());
  }

  /** Idempotent. */
  stop(): void {
    if (!this.started) return;
    this.started = false;
    this.timer?.cancel();
    this.dependencies.out(BACK);
  }
}
