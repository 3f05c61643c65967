/**
 * When each client of a process sends: an open loop, which does not wait for answers. Client c sends at
 * `startAt + phase(c) + n × period`, its phase a random part of the period, so that the load is even. As
 * all periods are the same, the clients come round and round in the order of their phases, and the next
 * one is known without any search.
 */
export class Schedule {
  private readonly startAt: number;
  private readonly periodMs: number;
  /** Clients in the order of their phases, and those phases. */
  private readonly order: readonly number[];
  private readonly phases: readonly number[];
  private round = 0;
  private cursor = 0;

  /** `startAt` in ms; `rate` per second and client. */
  constructor(
    { clients, rate, startAt }: { clients: number; rate: number; startAt: number },
    random: { float(): number },
  ) {
    this.startAt = startAt;
    this.periodMs = 1000 / rate;
    const all = Array.from({ length: clients }, (_, client) => ({
      client,
      phase: random.float() * this.periodMs,
    }));
    all.sort((a, b) => a.phase - b.phase);
    this.order = all.map(({ client }) => client);
    this.phases = all.map(({ phase }) => phase);
  }

  /** When the next is due; Infinity without clients. */
  get nextAt(): number {
    const phase = this.phases[this.cursor];
    return phase === undefined
      ? Number.POSITIVE_INFINITY
      : this.startAt + phase + this.round * this.periodMs;
  }

  /**
   * Hands out what is due at `now`, in order, but nothing due at `until` or later, and at most `most`.
   * Returns how many it were.
   */
  take(now: number, until: number, most: number, send: (client: number, due: number) => void) {
    let taken = 0;
    for (; taken < most; taken++) {
      const due = this.nextAt;
      if (due > now || due >= until) break;
      const client = this.order[this.cursor] ?? 0;
      this.cursor += 1;
      if (this.cursor === this.order.length) {
        this.cursor = 0;
        this.round += 1;
      }
      send(client, due);
    }
    return taken;
  }

  /** How many are due before `until`, of those not taken; counts without sending. */
  countUntil(until: number): number {
    const { order, phases, startAt, periodMs, round, cursor } = this;
    let count = 0;
    for (let i = 0; i < order.length; i++) {
      const first = startAt + (phases[i] ?? 0);
      const all = Math.max(0, Math.ceil((until - first) / periodMs));
      const taken = round + (i < cursor ? 1 : 0);
      count += Math.max(0, all - taken);
    }
    return count;
  }
}
