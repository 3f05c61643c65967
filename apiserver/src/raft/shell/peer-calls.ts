import type { Answer, Call, Clock, Timer } from "@atlasnet/core";
import type { PeerLink, PeerLinks } from "./peer-links.ts";

/** Questions that wait for their answers here; the next are refused with `busy`. */
export const MAX_PENDING_CALLS = 20_000;
/** Questions of others that are being answered; the next are answered with `busy`. */
export const MAX_RUNNING_CALLS = 20_000;

export interface CallAnswer {
  /**
   * `ok`, or why not. From here come `unreachable`, `busy` and `unknown-method`: it was not acted upon; and
   * `timeout`, `lost` (the link ended) and `failed`: nobody knows.
   */
  readonly code: string;
  readonly body: Uint8Array;
}

export type CallHandler = (from: string, body: Uint8Array) => Promise<CallAnswer>;

interface Pending {
  readonly link: PeerLink;
  readonly timer: Timer;
  resolve(answer: CallAnswer): void;
}

const NO_BYTES = new Uint8Array(0);

/**
 * Questions of one apiserver to another, with time-outs: how a follower hands to the leader what only the
 * leader can do.
 */
export class PeerCalls {
  private readonly group: string;
  private readonly links: PeerLinks;
  private readonly clock: Clock;
  private readonly pending = new Map<number, Pending>();
  private readonly handlers = new Map<string, CallHandler>();
  private next = 1;
  private running = 0;

  constructor(
    { group }: { readonly group: string },
    { links, clock }: { readonly links: PeerLinks; readonly clock: Clock },
  ) {
    this.group = group;
    this.links = links;
    this.clock = clock;
    links.onMessage((from, message) => {
      if (message.type === "call" && message.group === group) this.take(from, message);
      else if (message.type === "answer" && message.group === group) this.answered(from, message);
    });
    links.onGone((link) => {
      for (const [id, pending] of this.pending)
        if (pending.link === link) this.settle(id, { code: "lost", body: NO_BYTES });
    });
  }

  get figures(): { readonly pending: number; readonly running: number } {
    return { pending: this.pending.size, running: this.running };
  }

  /** Never rejects. */
  ask(node: string, method: string, body: Uint8Array, timeoutMs: number): Promise<CallAnswer> {
    const link = this.links.to(node);
    if (link === undefined) return Promise.resolve({ code: "unreachable", body: NO_BYTES });
    if (this.pending.size >= MAX_PENDING_CALLS || link.congested.main)
      return Promise.resolve({ code: "busy", body: NO_BYTES });
    const id = this.next++;
    return new Promise((resolve) => {
      const timer = this.clock.setTimer(timeoutMs, () =>
        this.settle(id, { code: "timeout", body: NO_BYTES }),
      );
      this.pending.set(id, { link, timer, resolve });
      const { group } = this;
      if (!link.main.send({ type: "call", group, id, method, body })) link.congested.main = true;
    });
  }

  /** Answers questions of a method. A handler that rejects is a fault, and is answered with `failed`. */
  handle(method: string, handler: CallHandler): void {
    this.handlers.set(method, handler);
  }

  stop(): void {
    for (const id of [...this.pending.keys()]) this.settle(id, { code: "lost", body: NO_BYTES });
  }

  private settle(id: number, answer: CallAnswer): void {
    const pending = this.pending.get(id);
    if (pending === undefined) return;
    this.pending.delete(id);
    pending.timer.cancel();
    pending.resolve(answer);
  }

  private answered(from: PeerLink, { id, code, body }: Answer): void {
    // An answer counts only where its question went.
    if (this.pending.get(id)?.link === from) this.settle(id, { code, body });
  }

  private take(from: PeerLink, { id, method, body }: Call): void {
    const reply = ({ code, body: answer }: CallAnswer) => {
      const { group } = this;
      from.main.send({ type: "answer", group, id, code, body: answer });
    };
    const handler = this.handlers.get(method);
    if (handler === undefined) return reply({ code: "unknown-method", body: NO_BYTES });
    if (this.running >= MAX_RUNNING_CALLS) return reply({ code: "busy", body: NO_BYTES });
    this.running++;
    handler(from.node, body).then(
      (answer) => {
        this.running--;
        reply(answer);
      },
      () => {
        this.running--;
        reply({ code: "failed", body: NO_BYTES });
      },
    );
  }
}
