import { connect } from "@atlasnet/client";
import {
  CheckedSession,
  HistoryChecker,
  type HistoryRecord,
  type HistoryVerdict,
  TickIntervals,
} from "@atlasnet/history";
import { definition } from "@atlasnet/history/world";
import { answer } from "./child.ts";

/** A process of clients of the checker's world: they talk, note when ticks come, and prove what came. */

export type ClientsQuestion =
  | {
      readonly type: "join";
      readonly world: string;
      readonly urls: readonly string[];
      readonly clients: number;
      /** Reliable messages per second and client. */
      readonly rate: number;
    }
  /** The longest interval between two ticks of each client that lies in part between two times, in unix ms. */
  | { readonly type: "gaps"; readonly from: number; readonly to: number }
  /** How long each connection that was lost since then took to be back, from the moment its client noticed, in ms. */
  | { readonly type: "resumes"; readonly from: number }
  | { readonly type: "counts" }
  /** Every client asks for its account, leaves, and the history is judged. */
  | { readonly type: "finish" };

export interface ClientCounts {
  readonly joined: number;
  /** Connections that were lost or closed. */
  readonly disconnects: number;
  readonly said: number;
  readonly answered: number;
}

const JOIN_MS = 20_000;
/** For the last answers. */
const SETTLE_MS = 20_000;
const FILLER = new Uint8Array(32).fill(0x61);

/** The same clock in every process of a machine. */
const now = () => performance.timeOrigin + performance.now();

interface Talker {
  readonly session: CheckedSession;
  readonly ticks: TickIntervals;
  leave(): Promise<void>;
}

class Clients {
  private readonly checker = new HistoryChecker();
  private readonly talkers: Talker[] = [];
  private timers: NodeJS.Timeout[] = [];
  private disconnects = 0;
  /** By client: when it noticed that its connection was gone. */
  private readonly away = new Map<string, number>();
  private readonly resumed: { readonly at: number; readonly ms: number }[] = [];
  private finished = false;

  async join({ world, urls, clients, rate }: Extract<ClientsQuestion, { type: "join" }>) {
    for (let i = 0; i < clients; i++)
      this.talkers.push(await this.talker(world, urls[i % urls.length] ?? "", i + 1));
    const everyMs = 1000 / rate;
    for (const [i, { session }] of this.talkers.entries())
      this.timers.push(
        setTimeout(
          () => this.timers.push(setInterval(() => session.say(FILLER), everyMs)),
          (everyMs * i) / clients,
        ),
      );
    return this.counts();
  }

  private async talker(world: string, url: string, writer: number): Promise<Talker> {
    const ticks = new TickIntervals();
    const sink = (record: HistoryRecord) => {
      if (this.finished) return;
      this.checker.take(record);
      const { type } = record.event;
      if (type === "tick") ticks.add(record.at);
      else if (type === "disconnected" || type === "dropped") this.lost(record);
      else if (type === "welcome") this.welcomed(record);
    };
    const session = new CheckedSession({ client: `c${writer}`, writer }, { sink, now });
    const client = connect({ url });
    const joined = await client.join(definition, {
      world,
      resume: "never",
      timeoutMs: JOIN_MS,
      observe: session.observe,
    });
    session.begin(joined);
    return { session, ticks, leave: () => joined.leave() };
  }

  private lost({ client, at }: HistoryRecord): void {
    if (this.away.has(client)) return;
    this.disconnects += 1;
    this.away.set(client, at);
  }

  private welcomed({ client, at }: HistoryRecord): void {
    const since = this.away.get(client);
    if (since !== undefined) this.resumed.push({ at: since, ms: at - since });
    this.away.delete(client);
  }

  resumes({ from }: Extract<ClientsQuestion, { type: "resumes" }>): {
    readonly away: number;
    readonly tookMs: readonly number[];
  } {
    const since = this.resumed.filter(({ at }) => at >= from);
    return { away: this.away.size, tookMs: since.map(({ ms }) => ms) };
  }

  gaps({ from, to }: Extract<ClientsQuestion, { type: "gaps" }>): readonly number[] {
    return this.talkers.map(({ ticks }) => ticks.largestBetween(from, to).ms);
  }

  counts(): ClientCounts {
    const sum = (of: (session: CheckedSession) => number) =>
      this.talkers.reduce((total, { session }) => total + of(session), 0);
    return {
      joined: this.talkers.length,
      disconnects: this.disconnects,
      said: sum((session) => session.said),
      answered: sum((session) => session.heardUpTo),
    };
  }

  async finish(): Promise<{ verdict: HistoryVerdict; counts: ClientCounts }> {
    for (const timer of this.timers) clearTimeout(timer);
    for (const { session } of this.talkers) session.balance();
    const until = performance.now() + SETTLE_MS;
    while (performance.now() < until && this.talkers.some(({ session }) => !session.settled))
      await new Promise((resolve) => setTimeout(resolve, 20));
    const counts = this.counts();
    this.finished = true;
    const verdict = this.checker.finish();
    await Promise.allSettled(this.talkers.map(({ leave }) => leave()));
    return { verdict, counts };
  }
}

const clients = new Clients();

answer((question: ClientsQuestion) => {
  switch (question.type) {
    case "join":
      return clients.join(question);
    case "gaps":
      return clients.gaps(question);
    case "resumes":
      return clients.resumes(question);
    case "counts":
      return clients.counts();
    case "finish":
      return clients.finish();
  }
});
