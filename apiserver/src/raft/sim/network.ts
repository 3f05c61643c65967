import type { Random } from "@atlasnet/core";
import type { RaftMessage } from "../core/messages.ts";
import { Cuts } from "./cuts.ts";
import type { Plan } from "./plan.ts";

/** Messages on their way: late, lost, doubled, out of order, or cut off one way or both. */
export class Network {
  private readonly due = new Map<number, RaftMessage[]>();
  private readonly cuts: Cuts;
  private readonly random: Random;
  private readonly plan: Plan;
  private healed = false;

  constructor(random: Random, plan: Plan) {
    this.random = random;
    this.cuts = new Cuts(random);
    this.plan = plan;
  }

  send(now: number, message: RaftMessage): void {
    const { random, plan } = this;
    if (this.isCut(message) || (!this.healed && random.float() < plan.loss)) return;
    this.put(now, message);
    if (!this.healed && random.float() < plan.duplicate) this.put(now, message);
  }

  /** What arrives now, in any order. */
  arrivals(now: number): readonly RaftMessage[] {
    const messages = this.due.get(now) ?? [];
    this.due.delete(now);
    if (this.healed) return messages;
    for (let at = messages.length - 1; at > 0; at--) {
      const other = this.random.int(0, at);
      const [a, b] = [messages[at], messages[other]];
      if (a && b) [messages[at], messages[other]] = [b, a];
    }
    return messages.filter((message) => !this.isCut(message));
  }

  recut(ids: readonly string[]): void {
    this.cuts.recut(ids);
  }

  heal(): void {
    this.healed = true;
    this.cuts.mend();
  }

  private isCut(message: RaftMessage): boolean {
    return this.cuts.isCut(message.from, message.to);
  }

  private put(now: number, message: RaftMessage): void {
    const at = now + (this.healed ? 1 : this.random.int(1, this.plan.delay));
    const messages = this.due.get(at);
    if (messages) messages.push(message);
    else this.due.set(at, [message]);
  }
}
