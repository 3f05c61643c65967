import { ControlError, type Random } from "@atlasnet/core";
import type { SimClock } from "@atlasnet/core/sim";
import { Cuts } from "../raft/sim/cuts.ts";
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
  private readonly cuts: Cuts;
  private readonly random: Random;
  private readonly plan: Plan;
  private readonly sim: SimClock;
  private healed = false;
  sent = 0;

  constructor(plan: Plan, { sim, random }: { sim: SimClock; random: Random }) {
    this.plan = plan;
    this.sim = sim;
    this.random = random;
    this.cuts = new Cuts(random);
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

  recut(ids: readonly string[]): void {
    if (this.healed) this.cuts.mend();
    else this.cuts.recut(ids);
  }

  heal(): void {
    this.healed = true;
    this.cuts.mend();
  }

  private carry(from: string, to: string, deliver: () => void): void {
    const { random, plan, healed } = this;
    this.sent += 1;
    if (this.cuts.isCut(from, to) || (!healed && random.float() < plan.loss)) return;
    const copies = !healed && random.float() < plan.duplicate ? 2 : 1;
    for (let copy = 0; copy < copies; copy++)
      this.sim.setTimer(healed ? 1 : 0.2 + random.float() * plan.delayMs, () => {
        if (!this.cuts.isCut(from, to)) deliver();
      });
  }
}
