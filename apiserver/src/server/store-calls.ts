import {
  ControlError,
  encodeRefusal,
  type LeaderInfo,
  type TxnRequest,
  txnRequest,
} from "@atlasnet/core";
import type { PeerCalls } from "../raft/shell/peer-calls.ts";
import type { ReplicatedStore, TakenIn } from "../store/replicated-store.ts";
import { decodeTaken, encodeTaken } from "./store-call-codec.ts";

const METHOD = "store-txn";

/** Takes transactions that other apiservers hand on. */
export function answerTxns(calls: PeerCalls, store: Pick<ReplicatedStore, "takeIn">): void {
  calls.handle(METHOD, async (_from, body) => {
    try {
      return encodeTaken(await store.takeIn(txnRequest.decode(body)));
    } catch (error) {
      if (error instanceof ControlError) return encodeRefusal(error);
      throw error;
    }
  });
}

/** For `ReplicatedStoreDependencies.forward`. */
export function forwardTxns(
  calls: () => Pick<PeerCalls, "askLeader"> | undefined,
  timeoutMs: number,
): (leader: LeaderInfo, request: TxnRequest) => Promise<TakenIn> {
  return async (leader, request) => {
    const body = txnRequest.encode(request);
    const answer = await calls()?.askLeader(leader.node, METHOD, body, timeoutMs);
    const taken = answer === undefined ? undefined : decodeTaken(answer);
    if (taken !== undefined) return taken;
    throw new ControlError("timeout", `${leader.node} gave no answer to a transaction`);
  };
}
