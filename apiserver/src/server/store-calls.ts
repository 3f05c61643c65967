import { ControlError, type LeaderInfo, type TxnRequest } from "@atlasnet/core";
import type { PeerCalls } from "../raft/shell/peer-calls.ts";
import type { ReplicatedStore, TakenIn } from "../store/replicated-store.ts";
import {
  decodeTaken,
  decodeTxn,
  encodeRefusal,
  encodeTaken,
  encodeTxn,
} from "./store-call-codec.ts";

const METHOD = "store-txn";

/** Takes transactions that other apiservers hand on. */
export function answerTxns(calls: PeerCalls, store: Pick<ReplicatedStore, "takeIn">): void {
  calls.handle(METHOD, async (_from, body) => {
    const request = decodeTxn(body);
    if (request === undefined)
      return encodeRefusal(new ControlError("bad-request", "that is no transaction"));
    try {
      return encodeTaken(await store.takeIn(request));
    } catch (error) {
      if (error instanceof ControlError) return encodeRefusal(error);
      throw error;
    }
  });
}

/** For `ReplicatedStoreDependencies.forward`. */
export function forwardTxns(
  calls: () => Pick<PeerCalls, "ask"> | undefined,
  timeoutMs: number,
): (leader: LeaderInfo, request: TxnRequest) => Promise<TakenIn> {
  return async (leader, request) => {
    const answer = await calls()?.ask(leader.node, METHOD, encodeTxn(request), timeoutMs);
    const taken = answer === undefined ? undefined : decodeTaken(answer);
    if (taken !== undefined) return taken;
    throw new ControlError("timeout", `${leader.node} gave no answer to a transaction`);
  };
}
