import {
  type Clock,
  type ControlPlane,
  describeError,
  type Logger,
  type Timer,
} from "@atlasnet/core";

const RETRY_MS = 1_000;

export interface StateReporterDependencies {
  readonly control: Pick<ControlPlane, "setState">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Tells the control plane how far this node is. */
export class StateReporter {
  private readonly dependencies: StateReporterDependencies;
  private timer: Timer | undefined;

  constructor(dependencies: StateReporterDependencies) {
    this.dependencies = dependencies;
  }

  /** `again` is called some time after it failed: whoever asked knows whether it is still so. */
  ready(again: () => void): void {
    this.cancel();
    this.say("ready").catch((error: unknown) => {
      this.notSaid("ready", error);
      this.timer = this.dependencies.clock.setTimer(RETRY_MS, again);
    });
  }

  draining(): void {
    this.say("draining").catch((error: unknown) => this.notSaid("draining", error));
  }

  /** Resolves once the control plane knows it, or cannot be told within `waitMs`. */
  async stopped(waitMs: number): Promise<void> {
    let isOver = false;
    const said = this.say("stopped").then(
      () => undefined,
      (error: unknown) => {
        if (!isOver) this.notSaid("stopped", error);
      },
    );
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.dependencies.clock.setTimer(waitMs, () => {
        isOver = true;
        this.notSaid("stopped", new Error("no answer in time"));
        resolve();
      });
    });
    await Promise.race([said, late]);
    timer?.cancel();
  }

  /** What failed before is not said again. */
  cancel(): void {
    this.timer?.cancel();
  }

  private async say(state: "ready" | "draining" | "stopped"): Promise<void> {
    await this.dependencies.control.setState(state);
    this.dependencies.logger.info("The control plane knows this node's state.", { state });
  }

  private notSaid(state: string, error: unknown): void {
    this.dependencies.logger.warn("The control plane does not know this node's state.", {
      state,
      problem: describeError(error),
    });
  }
}
