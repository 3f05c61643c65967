import type { Compare, Operation, Revision, TxnRequest } from "./control-store.ts";

/** What a transaction compares and does; several may be joined into one. */
export type TxnParts = Pick<TxnRequest, "compare" | "then">;

/** "If these hold, do that." */
export function when(compare: readonly Compare[], operations: readonly Operation[]): TxnParts {
  return { compare, then: operations };
}

/** `revision` 0: there is no such key. */
export function modifiedIs(key: string, revision: Revision): Compare {
  return { type: "modified", key, is: "equal", revision };
}

export function termIs(term: number): Compare {
  return { type: "term", term };
}

export type Refusal<Code extends string> = {
  readonly ok: false;
  readonly code: Code;
  readonly problem: string;
};

/** A transaction to propose, or why there is no sense in it. */
export type Proposal<Code extends string> =
  | { readonly ok: true; readonly txn: TxnRequest }
  | Refusal<Code>;

export function refused<Code extends string>(code: Code, problem: string): Refusal<Code> {
  return { ok: false, code, problem };
}
