import type { Random } from "@atlasnet/core";
import type { RaftMessage } from "../core/messages.ts";
import type { Plan } from "./plan.ts";

/** Messages on their way: late, lost, doubled, out of order, or cut off one way or both. */
export class Network {
  private readonly due = new Map<number, RaftMessage[]>();
  private readonly cuts = new Set<string>();
  private readonly random: Random;
  private readonly plan: Plan;
  private healed = false;

  constructor(random: Random, plan: Plan) {
    this.random = random;
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

  /** Other lines are cut from now on: none, all of one node, some one way, or the network in two. */
  recut(ids: readonly string[]): void {
    this.cuts.clear();
    const { random } = this;
    const kind = random.float();
    const alone = ids[random.int(0, ids.length - 1)];
    const side = new Map(ids.map((id) => [id, random.float() < 0.5]));
    for (const a of ids)
      for (const b of ids) {
        const isolates = kind < 0.2 && (a === alone || b === alone);
        const deafens = kind >= 0.2 && kind < 0.3 && b === alone;
        const mutes = kind >= 0.3 && kind < 0.4 && a === alone;
        const tears = kind >= 0.4 && kind < 0.55 && random.float() < 0.3;
        const splits = kind >= 0.55 && kind < 0.7 && side.get(a) !== side.get(b);
        if (isolates || deafens || mutes || tears || splits) this.cuts.add(`${a}>${b}`);
      }
  }

  heal(): void {
    this.healed = true;
    this.cuts.clear();
  }

  private isCut(message: RaftMessage): boolean {
    return this.cuts.has(`${message.from}>${message.to}`);
  }

  private put(now: number, message: RaftMessage): void {
    const at = now + (this.healed ? 1 : this.random.int(1, this.plan.delay));
    const messages = this.due.get(at);
    if (messages) messages.push(message);
    else this.due.set(at, [message]);
  }
}
