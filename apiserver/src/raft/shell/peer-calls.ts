import { AskedCalls, type CallAnswer, type Clock, callCode, TakenCalls } from "@atlasnet/core";
import type { PeerLinks } from "./peer-links.ts";

/** Questions that wait for their answers here; the next are refused with `busy`. */
export const MAX_PENDING_CALLS = 20_000;
/** Questions of others that are being answered; the next are answered with `busy`. */
export const MAX_RUNNING_CALLS = 20_000;

export type CallHandler = (from: string, body: Uint8Array) => Promise<CallAnswer>;

/**
 * Questions of one apiserver to another, with time-outs: how a follower hands to the leader what only the
 * leader can do.
 */
export class PeerCalls {
  private readonly links: PeerLinks;
  private readonly asked: AskedCalls;
  private readonly taken: TakenCalls;
  private readonly handlers = new Map<string, CallHandler>();
  /** Questions that are for whoever leads. */
  private readonly forLeader = new Set<{ readonly node: string; giveUp(): void }>();

  constructor(
    { group }: { readonly group: string },
    { links, clock }: { readonly links: PeerLinks; readonly clock: Clock },
  ) {
    this.links = links;
    this.asked = new AskedCalls({ group, maxPending: MAX_PENDING_CALLS }, { clock });
    this.taken = new TakenCalls({ group, maxRunning: MAX_RUNNING_CALLS });
    links.onMessage(({ main, node }, message) => {
      if (message.type === "call" && message.group === group) {
        const handler = this.handlers.get(message.method);
        this.taken.take(main, message, handler && ((body) => handler(node, body)));
      } else if (message.type === "answer" && message.group === group)
        this.asked.answered(main, message);
    });
    links.onGone(({ main }) => this.asked.lost(main));
  }

  get figures(): { readonly pending: number; readonly running: number } {
    return { pending: this.asked.pending, running: this.taken.running };
  }

  /** Never rejects. */
  ask(node: string, method: string, body: Uint8Array, timeoutMs: number): Promise<CallAnswer> {
    const link = this.links.to(node);
    if (link === undefined) return Promise.resolve(callCode("unreachable"));
    if (link.congested.main) return Promise.resolve(callCode("busy"));
    return this.asked.ask(link.main, { method, body, timeoutMs }, () => {
      link.congested.main = true;
    });
  }

  /** As `ask`, and answered with `lost` once another one is known to lead: a dead leader says nothing more. */
  askLeader(
    leader: string,
    method: string,
    body: Uint8Array,
    timeoutMs: number,
  ): Promise<CallAnswer> {
    return new Promise((resolve) => {
      const settle = (answer: CallAnswer) => {
        this.forLeader.delete(asked);
        resolve(answer);
      };
      const asked = { node: leader, giveUp: () => settle(callCode("lost")) };
      this.forLeader.add(asked);
      void this.ask(leader, method, body, timeoutMs).then(settle);
    });
  }

  /** Another one may lead from now on. */
  leaderIs(node: string): void {
    for (const asked of [...this.forLeader]) if (asked.node !== node) asked.giveUp();
  }

  /** Answers questions of a method. A handler that rejects is a fault, and is answered with `failed`. */
  handle(method: string, handler: CallHandler): void {
    this.handlers.set(method, handler);
  }

  stop(): void {
    this.asked.stop();
  }
}
