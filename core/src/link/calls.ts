import type { Clock, Timer } from "../ports/clock.ts";
import type { Answer, Call } from "../wire/group-messages.ts";
import type { LinkMessage } from "../wire/link-messages.ts";

export interface CallAnswer {
  /**
   * `ok`, or why not. From the halves below come `unreachable`, `busy` and `unknown-method`: it was not acted
   * upon; and `timeout`, `lost` (the link ended) and `failed`: nobody knows.
   */
  readonly code: string;
  readonly body: Uint8Array;
}

/** Where questions go out: a channel is one. */
export interface CallLine {
  send(message: LinkMessage): boolean;
}

interface Pending {
  readonly line: CallLine;
  readonly timer: Timer;
  resolve(answer: CallAnswer): void;
}

const NO_BYTES = new Uint8Array(0);

/** An answer that is a code and nothing else. */
export function callCode(code: string): CallAnswer {
  return { code, body: NO_BYTES };
}

/**
 * The asking half of `call` messages: each question is answered once, at the latest after its time. Who owns
 * the lines hands in the answers that come on them, and says when one has ended.
 */
export class AskedCalls {
  private readonly group: string;
  private readonly maxPending: number;
  private readonly clock: Clock;
  private readonly waiting = new Map<number, Pending>();
  private next = 1;

  /** `maxPending`: questions that wait; the next are answered with `busy`. */
  constructor(
    { group, maxPending }: { readonly group: string; readonly maxPending: number },
    { clock }: { readonly clock: Clock },
  ) {
    this.group = group;
    this.maxPending = maxPending;
    this.clock = clock;
  }

  get pending(): number {
    return this.waiting.size;
  }

  get isFull(): boolean {
    return this.waiting.size >= this.maxPending;
  }

  /**
   * Never rejects. `onFull` is called when the line asks to wait; the question is on its way all the same.
   */
  ask(
    line: CallLine,
    question: { readonly method: string; readonly body: Uint8Array; readonly timeoutMs: number },
    onFull: () => void,
  ): Promise<CallAnswer> {
    if (this.isFull) return Promise.resolve(callCode("busy"));
    const { method, body, timeoutMs } = question;
    const { group } = this;
    const id = this.next++;
    return new Promise((resolve) => {
      const timer = this.clock.setTimer(timeoutMs, () => this.settle(id, callCode("timeout")));
      this.waiting.set(id, { line, timer, resolve });
      if (!line.send({ type: "call", group, id, method, body })) onFull();
    });
  }

  /** An answer counts only where its question went. */
  answered(line: CallLine, { id, code, body }: Answer): void {
    if (this.waiting.get(id)?.line === line) this.settle(id, { code, body });
  }

  /** Answers what waits on a line that has ended. */
  lost(line: CallLine): void {
    for (const [id, pending] of [...this.waiting])
      if (pending.line === line) this.settle(id, callCode("lost"));
  }

  stop(): void {
    for (const id of [...this.waiting.keys()]) this.settle(id, callCode("lost"));
  }

  private settle(id: number, answer: CallAnswer): void {
    const pending = this.waiting.get(id);
    if (pending === undefined) return;
    this.waiting.delete(id);
    pending.timer.cancel();
    pending.resolve(answer);
  }
}

export interface TakenCallEvents {
  answered(answer: CallAnswer): void;
  /** Why a handler rejected. */
  failed(error: unknown): void;
}

/** The answering half: every question gets an answer while its line stands. */
export class TakenCalls {
  private readonly group: string;
  private readonly maxRunning: number;
  private count = 0;

  /** `maxRunning`: questions that are being answered; the next are answered with `busy`. */
  constructor({ group, maxRunning }: { readonly group: string; readonly maxRunning: number }) {
    this.group = group;
    this.maxRunning = maxRunning;
  }

  get running(): number {
    return this.count;
  }

  /** Without a handler the method is not known. A handler that rejects is a fault, answered with `failed`. */
  take(
    line: CallLine,
    { id, body }: Call,
    handler: ((body: Uint8Array) => Promise<CallAnswer>) | undefined,
    told: Partial<TakenCallEvents> = {},
  ): void {
    const { group } = this;
    const reply = (answer: CallAnswer) => {
      line.send({ type: "answer", group, id, ...answer });
      told.answered?.(answer);
    };
    if (handler === undefined) return reply(callCode("unknown-method"));
    if (this.count >= this.maxRunning) return reply(callCode("busy"));
    this.count++;
    handler(body).then(
      (answer) => {
        this.count--;
        reply(answer);
      },
      (error: unknown) => {
        this.count--;
        reply(callCode("failed"));
        told.failed?.(error);
      },
    );
  }
}
