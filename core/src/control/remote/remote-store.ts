import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import { ControlError } from "../control-error.ts";
import type {
  ControlStore,
  LeaderInfo,
  RangeRequest,
  RangeResult,
  TxnRequest,
  TxnResult,
  Watch,
  WatchEvents,
  WatchRequest,
} from "../control-store.ts";
import type { ControlCalls } from "./control-calls.ts";
import type { RenewalAnswer, RenewalRequest } from "./renewal.ts";

export interface RemoteStoreOptions {
  /** Longest time over which one request is tried again, at most MAX_RETRY_MS. Default 10,000. */
  readonly timeoutMs?: number;
  /** One try has this long; default 3,000. */
  readonly attemptMs?: number;
  /** Requests that wait here; the next are refused with "busy". Default 10,000. */
  readonly maxPending?: number;
}

/** The control store as a node has it, over its link to an apiserver. */
export class RemoteStore implements ControlStore {
  constructor(
    _options: RemoteStoreOptions,
    _dependencies: {
      readonly calls: ControlCalls;
      readonly clock: Clock;
      readonly random: Random;
    },
  ) {}

  leader(): LeaderInfo | undefined {
    return undefined;
  }

  async range(_request: RangeRequest): Promise<RangeResult> {
    throw notYet();
  }

  async txn(_request: TxnRequest): Promise<TxnResult> {
    throw notYet();
  }

  watch(_request: WatchRequest, _events: WatchEvents): Watch {
    throw notYet();
  }

  /**
   * Asks once, within `timeoutMs`: who renews goes on with another renewal.
   * @throws ControlError: nobody knows, or no apiserver is linked
   */
  async renew(_request: RenewalRequest, _timeoutMs: number): Promise<RenewalAnswer> {
    throw notYet();
  }

  /** Answers what waits with "unreachable"; watches fail. Idempotent. */
  stop(): void {}
}

function notYet(): ControlError {
  return new ControlError("unreachable", "no apiserver can be reached");
}
