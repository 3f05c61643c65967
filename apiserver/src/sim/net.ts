import { ControlError, type Random } from "@atlasnet/core";
import type { SimClock } from "@atlasnet/core/sim";
import type { Plan } from "./plan.ts";
import type { SimProcess } from "./process.ts";

/** Where something comes from: a process and the name under which lines to it are cut. */
export interface Host {
  readonly id: string;
  readonly process: SimProcess;
}

/**
 * Messages and questions between processes: late, lost, doubled, out of order, cut one way or both. A message is
 * a call on whatever serves at its target when it arrives.
 */
export class Net<Server> {
  private readonly servers = new Map<string, { process: SimProcess; server: Server }>();
  private readonly cuts = new Set<string>();
  private readonly random: Random;
  private readonly plan: Plan;
  private readonly sim: SimClock;
  private healed = false;
  sent = 0;

  constructor(plan: Plan, { sim, random }: { sim: SimClock; random: Random }) {
    this.plan = plan;
    this.sim = sim;
    this.random = random;
  }

  serve({ id, process }: Host, server: Server): void {
    this.servers.set(id, { process, server });
  }

  /** To whoever serves at `to` when it arrives; or not at all. */
  post(from: Host, to: string, message: (server: Server) => void): void {
    if (!from.process.isAlive) return;
    this.carry(from.id, to, () => {
      const target = this.servers.get(to);
      target?.process.run(() => message(target.server));
    });
  }

  /** @throws ControlError "timeout" when no answer comes, and what the question is answered with (as a rejection) */
  ask<T>(from: Host, to: string, question: (server: Server) => Promise<T>, ms: number): Promise<T> {
    const { process } = from;
    return new Promise((resolve, reject) => {
      const timer = process.setTimer(ms, () =>
        reject(new ControlError("timeout", `${to} did not answer`)),
      );
      const answer = (settle: () => void) =>
        this.carry(to, from.id, () =>
          process.run(() => {
            timer.cancel();
            settle();
          }),
        );
      this.post(from, to, (server) => {
        question(server).then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        );
      });
    });
  }

  /** Other lines are cut from now on: none, all of one host, some one way, or the network in two. */
  recut(ids: readonly string[]): void {
    this.cuts.clear();
    if (this.healed) return;
    const { random } = this;
    const kind = random.float();
    const alone = ids[random.int(0, ids.length - 1)];
    const side = new Map(ids.map((id) => [id, random.float() < 0.5]));
    for (const a of ids)
      for (const b of ids) {
        const isolates = kind < 0.25 && (a === alone || b === alone);
        const deafens = kind >= 0.25 && kind < 0.35 && b === alone;
        const mutes = kind >= 0.35 && kind < 0.45 && a === alone;
        const tears = kind >= 0.45 && kind < 0.55 && random.float() < 0.25;
        const splits = kind >= 0.55 && kind < 0.7 && side.get(a) !== side.get(b);
        if (isolates || deafens || mutes || tears || splits) this.cuts.add(`${a}>${b}`);
      }
  }

  heal(): void {
    this.healed = true;
    this.cuts.clear();
  }

  private carry(from: string, to: string, deliver: () => void): void {
    const { random, plan, healed } = this;
    this.sent += 1;
    const line = `${from}>${to}`;
    if (this.cuts.has(line) || (!healed && random.float() < plan.loss)) return;
    const copies = !healed && random.float() < plan.duplicate ? 2 : 1;
    for (let copy = 0; copy < copies; copy++)
      this.sim.setTimer(healed ? 1 : 0.2 + random.float() * plan.delayMs, () => {
        if (!this.cuts.has(line)) deliver();
      });
  }
}
