import type { Clock, Timer } from "../../ports/clock.ts";

export interface BeatOptions {
  /** An apiserver that was not heard for so long is asked whether it is there. */
  readonly beatMs: number;
  /** One that says nothing for so long when it was asked is doubted. */
  readonly doubtMs: number;
}

export interface BeatDependencies {
  readonly clock: Clock;
  /** Resolves when it was answered, or given up together with the link. */
  readonly ask: () => Promise<unknown>;
  /** It may be gone; `isSilent` while it has said nothing since it was asked. Once for each question. */
  readonly doubt: (isSilent: () => boolean) => void;
}

/** A time-out that comes so much later was held up by this process itself: what was missed may be here. */
export const STALL_MS = 250;

/**
 * Asks an apiserver that was silent for a while whether it is there: a link takes long to find out that its other
 * end is gone, longer than a lease may last.
 */
export class Beat {
  private readonly options: BeatOptions;
  private readonly dependencies: BeatDependencies;
  private heardAt: number;
  /** Messages that were heard. */
  private messages = 0;
  private timer: Timer | undefined;
  private doubtTimer: Timer | undefined;
  private stopped = false;

  constructor(options: BeatOptions, dependencies: BeatDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.heardAt = dependencies.clock.now();
    this.later(options.beatMs);
  }

  heard(): void {
    this.messages += 1;
    this.heardAt = this.dependencies.clock.now();
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.doubtTimer?.cancel();
  }

  private later(ms: number): void {
    if (!this.stopped) this.timer = this.dependencies.clock.setTimer(ms, () => void this.look());
  }

  private async look(): Promise<void> {
    const { clock, ask } = this.dependencies;
    const { beatMs } = this.options;
    const left = this.heardAt + beatMs - clock.now();
    if (left >= 1) return this.later(left);
    this.doubtLater();
    await ask();
    this.doubtTimer?.cancel();
    this.later(beatMs);
  }

  private doubtLater(): void {
    const { clock, doubt } = this.dependencies;
    const { doubtMs } = this.options;
    const before = this.messages;
    const isSilent = () => this.messages === before;
    const due = clock.now() + doubtMs;
    this.doubtTimer = clock.setTimer(doubtMs, () => {
      if (this.stopped || !isSilent()) return;
      if (clock.now() < due + STALL_MS) doubt(isSilent);
      else this.doubtLater();
    });
  }
}
