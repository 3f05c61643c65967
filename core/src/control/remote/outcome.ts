import type { CallAnswer } from "../../link/calls.ts";
import { ControlError } from "../control-error.ts";
import { decodeRefusal } from "./refusal.ts";

/** What an answer to a call means for whoever asked. */
export type Outcome<T> =
  | { readonly type: "answer"; readonly value: T }
  /** Asking again would give the same. */
  | { readonly type: "refused"; readonly error: ControlError }
  | {
      readonly type: "again";
      readonly error: ControlError;
      /** It may have been acted upon, or be so yet. */
      readonly isOpen: boolean;
      /** Another apiserver may do better. */
      readonly elsewhere: boolean;
    };

export function outcomeOf<T>(
  { code, body }: CallAnswer,
  decode: (body: Uint8Array) => T,
): Outcome<T> {
  switch (code) {
    case "ok":
      return answered(body, decode);
    case "refused":
      return refused(decodeRefusal(body));
    case "unreachable":
      return again(unreachable(), false);
    case "busy":
      return again(
        new ControlError("busy", "too much waits between here and the apiserver"),
        false,
      );
    case "timeout":
    case "lost":
    case "failed":
      return again(undecided(code), true);
    default:
      return { type: "refused", error: notUnderstood(code) };
  }
}

export function unreachable(): ControlError {
  return new ControlError("unreachable", "no apiserver is linked", {
    hint: "Look whether the apiservers run, and whether this machine reaches them over UDP.",
  });
}

export function stopped(): ControlError {
  return new ControlError("unreachable", "this process has closed its links to the apiservers");
}

/** Nobody knows what became of a request. */
export function undecided(why: "timeout" | "lost" | "failed"): ControlError {
  const what = {
    timeout: "the apiserver did not answer in time",
    lost: "the link ended before the apiserver answered",
    failed: "the apiserver failed; its log says why",
  }[why];
  return new ControlError("timeout", what, {
    hint: "It may have been done: read before you write.",
  });
}

function answered<T>(body: Uint8Array, decode: (body: Uint8Array) => T): Outcome<T> {
  try {
    return { type: "answer", value: decode(body) };
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    return { type: "refused", error: notUnderstood(error.message) };
  }
}

function refused(error: ControlError): Outcome<never> {
  switch (error.code) {
    case "timeout":
    case "no-quorum":
      return { type: "again", error, isOpen: true, elsewhere: true };
    case "unreachable":
      // It stops.
      return { type: "again", error, isOpen: true, elsewhere: true };
    case "busy":
      return again(error, false);
    default:
      return { type: "refused", error };
  }
}

function again(error: ControlError, isOpen: boolean): Outcome<never> {
  return { type: "again", error, isOpen, elsewhere: false };
}

function notUnderstood(what: string): ControlError {
  return new ControlError("unreachable", `an apiserver answered what is not understood: ${what}`, {
    hint: "It may be of another version than this program: update the older one.",
  });
}
