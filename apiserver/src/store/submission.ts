import type { TxnRequest, TxnResult } from "@atlasnet/core";
import type { TxnCommand } from "./commands.ts";
import type { TakenIn } from "./replicated-store.ts";
import type { TxnOutcome } from "./request-memory.ts";
import { fenced } from "./restore-fence.ts";
import { decidedError, undecidedError } from "./store-errors.ts";
import type { Batched } from "./txn-batcher.ts";

/** A transaction on its way through the store; settled once. */
export class Submission implements Batched {
  readonly where: "anywhere" | "here";
  request: TxnRequest;
  settled = false;
  private refused = false;
  private readonly calls: {
    resolve(taken: TakenIn): void;
    reject(error: Error): void;
    settle(): void;
    lost(): void;
    answered(id: string): TxnOutcome | undefined;
  };

  constructor(
    request: TxnRequest,
    where: "anywhere" | "here",
    calls: {
      resolve(taken: TakenIn): void;
      reject(error: Error): void;
      settle(): void;
      lost(): void;
      answered(id: string): TxnOutcome | undefined;
    },
  ) {
    this.request = request;
    this.where = where;
    this.calls = calls;
  }

  get txn(): TxnCommand {
    const { id, then, otherwise } = this.request;
    if (this.refused && id !== undefined) return { id, compare: [], then: [], refused: "no-lease" };
    return {
      ...(id !== undefined && { id }),
      compare: fenced(this.request),
      then,
      ...(otherwise !== undefined && { otherwise }),
    };
  }

  /** Gives it an id, unless the client did. */
  name(id: string): void {
    if (this.request.id === undefined) this.request = { ...this.request, id };
  }

  refuse(): void {
    this.refused = true;
  }

  resolve(result: TxnResult): void {
    if (this.finish()) this.calls.resolve({ ok: true, result });
  }

  sendBack(): void {
    if (this.finish()) this.calls.resolve({ ok: false, code: "not-leader" });
  }

  fail(error: Error): void {
    if (this.finish()) this.calls.reject(error);
  }

  decided(outcome: TxnOutcome): void {
    if (outcome.code === "done")
      this.resolve({ succeeded: outcome.succeeded, revision: outcome.revision });
    else this.fail(decidedError(outcome.code));
  }

  lost(): void {
    this.refused = false;
    if (!this.settled) this.calls.lost();
  }

  unknown(): void {
    const { id } = this.request;
    const outcome = id === undefined ? undefined : this.calls.answered(id);
    if (outcome !== undefined) this.decided(outcome);
    else if (id !== undefined) this.lost();
    else this.fail(undecidedError("transaction", true, 0));
  }

  private finish(): boolean {
    if (this.settled) return false;
    this.settled = true;
    this.calls.settle();
    return true;
  }
}
