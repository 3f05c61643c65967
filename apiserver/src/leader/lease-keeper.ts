import type { NodeLoad } from "@atlasnet/core";
import type { RenewalAnswer } from "../store/lease-table.ts";

/** What a node says with a renewal of its lease. */
export interface RenewalRequest {
  readonly boot: string;
  readonly number: number;
  readonly load: NodeLoad;
}

/** Answers renewals, on the apiserver that leads; elsewhere "not-leader". */
export interface Renewals {
  /**
   * Resolves after a quorum round that began after the call. The answer is to be sent at once, or not at
   * all. @throws ControlError as a read barrier does ("no-quorum", "timeout", "busy"): no answer to the node.
   */
  renew(node: string, request: RenewalRequest): Promise<RenewalAnswer>;
}

export class LeaseKeeper implements Renewals {
  async renew(_node: string, _request: RenewalRequest): Promise<RenewalAnswer> {
    return { ok: false, code: "not-leader" };
  }
}
