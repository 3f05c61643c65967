import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import { ControlError } from "../control-error.ts";
import type { ControlStore } from "../control-store.ts";
import { changeNodeState } from "../node-changes.ts";
import { Pauses } from "../pauses.ts";
import type { NodeState } from "../records.ts";
import { readOwnRecord } from "./own-key.ts";
import { isRetryable } from "./retryable.ts";

export interface ChangeStateOptions {
  readonly node: string;
  readonly boot: string;
  readonly state: Exclude<NodeState, "lost" | "starting">;
  /** SHA-256 of the certificate that the node has now: it may have been renewed since it registered. */
  readonly fingerprint: string;
}

export interface ChangeStateDependencies {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly random: Random;
  /** The registration ended. */
  readonly signal: AbortSignal;
}

/** A new leader has to hear a renewal before it takes the change in; that, and elections, fit in here. */
const PATIENCE_MS = 30_000;
const MIN_PAUSE_MS = 20;
const MAX_PAUSE_MS = 500;

/**
 * Says how a registered node is. Resolves once that is decided.
 * @throws ControlError "no-lease" when the registration is gone, or what went wrong for so long
 */
export async function changeState(
  { node, boot, state, fingerprint }: ChangeStateOptions,
  { store, clock, random, signal }: ChangeStateDependencies,
): Promise<void> {
  const pauses = new Pauses(
    { minMs: MIN_PAUSE_MS, maxMs: MAX_PAUSE_MS },
    { clock, random, signal },
  );
  const deadline = clock.now() + PATIENCE_MS;
  while (!signal.aborted) {
    try {
      const { before } = await readOwnRecord(store, node);
      const { record } = before;
      if (record?.boot === boot && record.state === state) return;
      const renewed =
        record === undefined ? before : { ...before, record: { ...record, fingerprint } };
      const proposal = changeNodeState(node, renewed, boot, state);
      if (!proposal.ok) throw gone(node);
      const { succeeded } = await store.txn(proposal.txn);
      if (succeeded) return;
    } catch (error) {
      if (!isRetryable(error) || signal.aborted || clock.now() >= deadline) throw error;
    }
    await pauses.wait();
  }
  throw gone(node);
}

export function gone(node: string): ControlError {
  return new ControlError("no-lease", `${node} is not registered any more`, {
    hint: "The control plane held it for lost, or it was stopped; it registers anew by itself.",
  });
}
