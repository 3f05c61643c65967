import { type CallAnswer, ControlError, callCode, decodeRefusal, txnAnswer } from "@atlasnet/core";
import type { TakenIn } from "../store/replicated-store.ts";

/** What apiservers say to each other about transactions: as nodes do, and "not-leader". */

export function encodeTaken(taken: TakenIn): CallAnswer {
  if (!taken.ok) return callCode(taken.code);
  return { code: "ok", body: txnAnswer.encode(taken.result) };
}

/** Undefined: nobody knows whether it was taken in. @throws ControlError the leader's refusal */
export function decodeTaken({ code, body }: CallAnswer): TakenIn | undefined {
  switch (code) {
    case "not-leader":
    // It never came to the leader's store.
    case "unreachable":
    case "busy":
    case "unknown-method":
      return { ok: false, code: "not-leader" };
    case "ok":
      return decodeResult(body);
    case "refused":
      throw decodeRefusal(body);
    default:
      return undefined;
  }
}

function decodeResult(body: Uint8Array): TakenIn | undefined {
  try {
    const { succeeded, revision } = txnAnswer.decode(body);
    return { ok: true, result: { succeeded, revision } };
  } catch (error) {
    if (error instanceof ControlError) return undefined;
    throw error;
  }
}
