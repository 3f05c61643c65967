import type { ReadAnswer } from "../core/types.ts";

export type ReadResult =
  | { readonly ok: true; readonly index: number }
  | {
      readonly ok: false;
      readonly reason: "not-leader" | "busy" | "timeout" | "stopped";
      readonly leader: string | undefined;
    };

interface Waiting {
  readonly deadline: number;
  resolve(result: ReadResult): void;
}

/** Reads that wait for the core's answer, by their context. */
export class WaitingReads {
  private readonly byContext = new Map<number, Waiting>();
  private next = 1;

  get size(): number {
    return this.byContext.size;
  }

  add(deadline: number): { readonly context: number; readonly answer: Promise<ReadResult> } {
    const context = this.next++;
    const answer = new Promise<ReadResult>((resolve) => {
      this.byContext.set(context, { deadline, resolve });
    });
    return { context, answer };
  }

  answered(answers: readonly ReadAnswer[]): void {
    for (const answer of answers) {
      const { context } = answer;
      const waiting = this.byContext.get(context);
      this.byContext.delete(context);
      if (answer.ok) waiting?.resolve({ ok: true, index: answer.index });
      else waiting?.resolve({ ok: false, reason: answer.reason, leader: answer.leader });
    }
  }

  expire(now: number, leader: string | undefined): void {
    for (const [context, waiting] of this.byContext) {
      if (waiting.deadline > now) return;
      this.byContext.delete(context);
      waiting.resolve({ ok: false, reason: "timeout", leader });
    }
  }

  stop(): void {
    for (const { resolve } of this.byContext.values())
      resolve({ ok: false, reason: "stopped", leader: undefined });
    this.byContext.clear();
  }
}
