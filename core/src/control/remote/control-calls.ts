import type { CallAnswer } from "../../link/calls.ts";

/** Questions to whichever apiserver this process is linked to. */
export interface ControlCalls {
  /** Never rejects. Without a link the answer is `unreachable`. `timeoutMs` from now. */
  ask(method: string, body: Uint8Array, timeoutMs: number): Promise<CallAnswer>;
  /** Each time that a link to an apiserver stands, anew or the first; also soon, when one stands now. */
  onConnected(handler: () => void): void;
  /** The apiserver answers and cannot serve (it reaches no quorum): another one may. */
  moveOn(): void;
}
