import type { CallAnswer } from "../../link/calls.ts";
import type { LeaderInfo } from "../control-store.ts";

/** Questions to whichever apiserver this process is linked to. */
export interface ControlCalls {
  /** Of these calls, with the apiserver that is linked now; the oldest one while there is none. */
  readonly version: number;
  /**
   * Never rejects. Without a link the answer is `unreachable`. An apiserver that has not answered after
   * `timeoutMs` is given up: another one is linked.
   */
  ask(method: string, body: Uint8Array, timeoutMs: number): Promise<CallAnswer>;
  /**
   * Each time that a link to an apiserver stands, with the leader as that one knows it. When one stands now, soon.
   */
  onConnected(handler: (leader: LeaderInfo | undefined) => void): void;
  /** The apiserver answers and cannot serve (it reaches no quorum): another one may. */
  moveOn(): void;
}
