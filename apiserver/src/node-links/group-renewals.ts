import {
  type CallAnswer,
  ControlError,
  callCode,
  decodeRefusal,
  encodeRefusal,
  type LeaderInfo,
  nodeRenewal,
  type RenewalAnswer,
  type RenewalRequest,
  renewalAnswer,
} from "@atlasnet/core";
import type { Renewals } from "../leader/lease-keeper.ts";
import type { PeerCalls } from "../raft/shell/peer-calls.ts";

const METHOD = "node-renew";
const NOT_LEADER: RenewalAnswer = { ok: false, code: "not-leader" };

export interface GroupRenewalsOptions {
  /** This apiserver. */
  readonly node: string;
  /** How long the leader may take to answer another apiserver, in ms. */
  readonly timeoutMs: number;
}

export interface GroupRenewalsDependencies {
  readonly calls: Pick<PeerCalls, "askLeader" | "handle">;
  readonly leader: () => LeaderInfo | undefined;
  /** Of this apiserver, for while it leads. */
  readonly leases: Renewals;
}

/** Renewals at any apiserver: the leader answers them, and it is asked once. */
export class GroupRenewals implements Renewals {
  private readonly options: GroupRenewalsOptions;
  private readonly dependencies: GroupRenewalsDependencies;

  constructor(options: GroupRenewalsOptions, dependencies: GroupRenewalsDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    dependencies.calls.handle(METHOD, (_from, body) => this.takeIn(body));
  }

  /** @throws ControlError: nobody knows */
  async renew(node: string, request: RenewalRequest): Promise<RenewalAnswer> {
    const { calls, leases } = this.dependencies;
    const leader = this.dependencies.leader();
    if (leader === undefined) return NOT_LEADER;
    if (leader.node === this.options.node) return leases.renew(node, request);
    const { timeoutMs } = this.options;
    const ask = async (asked: RenewalRequest) => {
      const body = nodeRenewal.encode({ ...asked, node });
      return renewed(await calls.askLeader(leader.node, METHOD, body, timeoutMs), leader);
    };
    const { migrations, asleep, ...known } = request;
    if (migrations === undefined && asleep === undefined) return await ask(request);
    try {
      return await ask(request);
    } catch (error) {
      // A leader of before does not know of migrations or of sleep; no lease must be lost for that.
      if (error instanceof ControlError && error.code === "bad-request") return await ask(known);
      throw error;
    }
  }

  /** Of another apiserver, which takes this one for the leader. Not handed on once more. */
  private async takeIn(body: Uint8Array): Promise<CallAnswer> {
    try {
      const { node, ...request } = nodeRenewal.decode(body);
      const answer = await this.dependencies.leases.renew(node, request);
      return { ...callCode("ok"), body: renewalAnswer.encode(answer) };
    } catch (error) {
      if (error instanceof ControlError) return encodeRefusal(error);
      throw error;
    }
  }
}

function renewed({ code, body }: CallAnswer, leader: LeaderInfo): RenewalAnswer {
  switch (code) {
    case "ok":
      return renewalAnswer.decode(body);
    case "refused":
      throw decodeRefusal(body);
    // It did not come to the leader, or nobody who leads will answer it: this apiserver is as good as any.
    case "unreachable":
    case "busy":
    case "unknown-method":
    case "lost":
      return NOT_LEADER;
    default:
      throw new ControlError("timeout", `${leader.node} gave no answer to a renewal`);
  }
}
