import type { CallAnswer } from "../../link/calls.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { type ApiserverMember, membersAnswer, nothing } from "./control-call-codec.ts";
import { outcomeOf } from "./outcome.ts";

/** The apiservers are asked for all of them so often. */
const MEMBERS_PERIOD_MS = 30_000;
const MEMBERS_TIMEOUT_MS = 5_000;

export interface MemberQuestionsDependencies {
  readonly clock: Clock;
  readonly ask: (method: string, body: Uint8Array, timeoutMs: number) => Promise<CallAnswer>;
  readonly told: (members: readonly ApiserverMember[]) => void;
}

/** Asks an apiserver for all that the cluster has, at once and then every 30 s. */
export class MemberQuestions {
  private readonly dependencies: MemberQuestionsDependencies;
  private timer: Timer | undefined;
  private stopped = false;

  constructor(dependencies: MemberQuestionsDependencies) {
    this.dependencies = dependencies;
    void this.ask();
  }

  /** Nothing is told any more. Idempotent. */
  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private async ask(): Promise<void> {
    const { clock, ask, told } = this.dependencies;
    const answer = await ask("members", nothing.encode({}), MEMBERS_TIMEOUT_MS);
    if (this.stopped) return;
    const outcome = outcomeOf(answer, (body) => membersAnswer.decode(body));
    if (outcome.type === "answer") told(outcome.value.members);
    this.timer = clock.setTimer(MEMBERS_PERIOD_MS, () => void this.ask());
  }
}
