import type { Clock, ControlPlane, Logger, NodeLoad, Timer } from "@atlasnet/core";

/** How long a stop waits for its last word to be heard. Without it the cluster waits for the end of the lease. */
const LAST_WORD_MS = 2_000;

type Said = "ready" | "draining" | "stopped";

export interface MembershipDependencies {
  readonly plane: ControlPlane;
  readonly clock: Pick<Clock, "setTimer">;
  readonly logger: Logger;
  /** It cannot become a member, and waiting does not help. */
  refused(error: Error): void;
}

/**
 * A proxy among the nodes of its cluster. It owns nothing, so it serves players whatever becomes of its
 * registration: that is for those who look at the cluster.
 */
export class Membership {
  private readonly dependencies: MembershipDependencies;
  private state: Said = "ready";
  private registered = false;
  /** Nothing that goes wrong from here on is news. */
  private over = false;

  constructor(dependencies: MembershipDependencies) {
    this.dependencies = dependencies;
  }

  /** Registers, and says that it is ready, as often as that is needed. It waits for nobody. */
  start(load: () => NodeLoad): void {
    const { plane, refused } = this.dependencies;
    const events = {
      registered: () => {
        this.registered = true;
        void this.say();
      },
      // What it owns, and what must not go out without a lease: nothing.
      sealed: () => undefined,
      unsealed: () => undefined,
      lost: async () => {
        this.registered = false;
      },
    };
    plane.start(events, load).catch((error: unknown) => {
      // Whoever stops ends the wait for a registration, too.
      if (!this.over) refused(error instanceof Error ? error : new Error(String(error)));
    });
  }

  /** It takes nobody in any more. Does not wait for that to be decided. */
  drain(): void {
    this.state = "draining";
    if (this.registered) void this.say();
  }

  /** The process is to stop: a registration that is waited for will not come, and that is as it should be. */
  ending(): void {
    if (!this.registered) this.over = true;
  }

  /** It leaves. Waits a moment for that to be decided. */
  async stop(): Promise<void> {
    this.state = "stopped";
    if (!this.registered) {
      this.over = true;
      return;
    }
    const { clock, logger } = this.dependencies;
    let timer: Timer | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = clock.setTimer(LAST_WORD_MS, () => {
        logger.warn(
          "nobody could be told that this proxy stops; it counts as lost when its lease ends",
        );
        this.over = true;
        resolve();
      });
    });
    await Promise.race([this.say(), enough]);
    this.over = true;
    timer?.cancel();
  }

  private async say(): Promise<void> {
    const { plane, logger } = this.dependencies;
    const { state } = this;
    try {
      await plane.setState(state);
    } catch (error) {
      if (this.over) return;
      logger.warn("the cluster could not be told how this proxy is", { state, error });
    }
  }
}
