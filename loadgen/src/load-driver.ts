import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { TrafficStats } from "@atlasnet/client";
import { describeError } from "@atlasnet/core";
import { SeededRandom } from "@atlasnet/core/sim";
import { FilledStructs, fillStruct } from "./fill.ts";
import { Latency } from "./latency.ts";
import { LoadHistory } from "./load-history.ts";
import { JOIN_TIMEOUT_MS, Player, type RecordedAs } from "./player.ts";
import { Schedule } from "./schedule.ts";
import { sumOf, Tally } from "./tally.ts";
import { UsageMeter } from "./usage-meter.ts";
import { MeasuredWindow } from "./window.ts";
import type { Timing, WorkerPlan, WorkerProgress, WorkerResult } from "./worker-messages.ts";

/** Time between two looks at the schedule, in ms: how late a message may be sent for that alone. */
const TURN_MS = 2;
/** Messages sent in one turn; what is due beyond that waits for the sockets to be read in between. */
const MAX_PER_TURN = 250;
/** Clients of a process that are on their way in at a time. */
const JOINING = 64;
/** Values that are made beforehand. */
const FILLED = 256;
/** How often is looked for the last acknowledgements, in ms. */
const GRACE_STEP_MS = 20;
const NEVER = Number.POSITIVE_INFINITY;
const STOP_GRACE_MS = 1_000;
/** How long all clients may take to leave, in ms. */
const LEAVE_MS = 3_000;

/**
 * Plays the clients of one process: lets them in, sends for them by one timer, and counts. The phases
 * are `join`, `run`, `leave`, each called once; `stop` ends the one that lasts.
 */
export class LoadDriver {
  private readonly plan: WorkerPlan;
  private readonly tally = new Tally();
  private readonly recent = new Latency();
  private readonly random: SeededRandom;
  private readonly window: MeasuredWindow;
  private readonly players: Player[];
  private readonly abort = new AbortController();
  private joinsBeganAt = 0;
  private joinsEndedAt = 0;
  private readonly meter: UsageMeter;
  private readonly history: LoadHistory | undefined;

  constructor(plan: WorkerPlan) {
    const { tally, recent } = this;
    this.plan = plan;
    // Every process draws its own numbers.
    this.random = new SeededRandom(`${plan.seed} ${plan.first}`);
    this.window = new MeasuredWindow({ tally, now, onRoundTrip: (ms) => recent.add(ms) });
    const { history, check } = plan;
    if (check || history !== undefined) this.history = new LoadHistory({ file: history });
    this.meter = new UsageMeter({ carried: () => this.carried(), cpuMs });
    const definition = { data: plan.definition };
    this.players = Array.from(
      { length: plan.clients },
      (_, i) =>
        new Player(
          {
            url: plan.url,
            world: plan.world,
            definition,
            ticket: plan.tickets?.[i],
            serverKey: plan.serverKey,
            remote: plan.remote,
            params: fillStruct(plan.definition.join, this.random),
            recorded: this.recordedAs(plan.first + i),
          },
          { tally, window: this.window, now },
        ),
    );
  }

  private recordedAs(number: number): RecordedAs | undefined {
    const { plan, history } = this;
    if (history === undefined) return undefined;
    // Not of the seed: accounts may still have sessions of a load before, which were another's messages.
    const writer = plan.check ? randomInt(1, 2 ** 32) : undefined;
    return { client: `load-${number}`, writer, sink: history.sink };
  }

  /** Ends what lasts: joining, or the window. */
  stop(): void {
    this.abort.abort();
  }

  private get stopped(): boolean {
    return this.abort.signal.aborted;
  }

  /** Lets all clients in, along the ramp. Returns when each is in or has failed. */
  async join(): Promise<void> {
    const { players, plan } = this;
    const startedAt = now();
    const deadline = startedAt + plan.rampMs + JOIN_TIMEOUT_MS;
    this.joinsBeganAt = wallClock();
    let next = 0;
    const lane = async () => {
      while (next < players.length && !this.stopped) {
        const i = next++;
        const joinAt = startedAt + (plan.rampMs * (plan.first + i)) / plan.allClients;
        await this.pause(joinAt - now());
        if (this.stopped) return;
        if (now() > deadline) this.tooLate();
        else await players[i]?.join();
      }
    };
    await Promise.all(Array.from({ length: JOINING }, lane));
    this.joinsEndedAt = wallClock();
  }

  private tooLate(): void {
    this.tally.counts.joinsFailed += 1;
    this.tally.error("not-tried", `the others took longer than ${JOIN_TIMEOUT_MS} ms to get in`);
  }

  private async pause(ms: number): Promise<void> {
    if (ms <= 0) return;
    // A stop ends the pause, which is no error.
    await delay(ms, undefined, { signal: this.abort.signal }).catch(nothing);
  }

  /** Makes the load, and waits for the last answers. */
  async run({ warmUpMs, windowMs, graceMs }: Timing): Promise<void> {
    const { window, plan } = this;
    const startAt = now();
    window.startAt = startAt + warmUpMs;
    window.endAt = window.startAt + windowMs;
    const schedule = (rate: number) =>
      new Schedule({ clients: this.players.length, rate, startAt }, this.random);
    const messages = plan.message === undefined ? undefined : schedule(plan.rate);
    const inputs = plan.input === undefined ? undefined : schedule(plan.inputRate);
    await this.send(messages, inputs, graceMs);
    for (const player of this.players) player.countTransport();
    for (const player of this.players) player.balance();
    await this.settle(graceMs);
    this.countRest(messages, inputs);
    await this.history?.finish().catch((error: unknown) => {
      this.tally.error("history-file", describeError(error));
    });
  }

  /** Sends what is due, turn by turn, until the window is over and nothing is late any more. */
  private async send(
    messages: Schedule | undefined,
    inputs: Schedule | undefined,
    graceMs: number,
  ): Promise<void> {
    const { window, tally, meter } = this;
    const sendMessage = this.messageSender();
    const sendInput = this.inputSender();
    const late = () =>
      (messages?.nextAt ?? NEVER) < window.endAt || (inputs?.nextAt ?? NEVER) < window.endAt;
    await new Promise<void>((resolve) => {
      let expectedAt = now();
      const turn = () => {
        const at = now();
        if (this.stopped) window.cut(at);
        if (at >= window.startAt) meter.begin();
        if (meter.running) tally.loopLag.addStall(at - expectedAt, TURN_MS);
        if (at >= window.endAt) meter.end(tally.counts);
        messages?.take(at, window.endAt, MAX_PER_TURN, sendMessage);
        inputs?.take(at, window.endAt, MAX_PER_TURN, sendInput);
        const over = at >= window.endAt && (this.stopped || !late());
        if (over || at >= window.endAt + graceMs) {
          resolve();
          return;
        }
        expectedAt = now() + TURN_MS;
        setTimeout(turn, TURN_MS);
      };
      turn();
    });
  }

  private messageSender(): (client: number, due: number) => void {
    const { plan, players, window } = this;
    const { counts } = this.tally;
    const { message = "" } = plan;
    const values = this.filled(plan.definition.clientMessages, message);
    return (client, due) => {
      const counted = window.has(due);
      if (counted) counts.due += 1;
      const taken = players[client]?.message(message, values.next(), due) ?? false;
      if (counted && !taken) counts.missed += 1;
    };
  }

  private inputSender(): (client: number, due: number) => void {
    const { plan, players, window } = this;
    const { counts } = this.tally;
    const { input = "" } = plan;
    const values = this.filled(plan.definition.inputs, input);
    return (client, due) => {
      const counted = window.has(due);
      if (counted) counts.inputsDue += 1;
      const taken = players[client]?.input(input, values.next()) ?? false;
      if (counted && taken) counts.inputsSent += 1;
    };
  }

  private filled(
    structs: WorkerPlan["definition"]["clientMessages"],
    wanted: string,
  ): FilledStructs {
    const fields = structs.find(({ name }) => name === wanted)?.fields ?? [];
    return new FilledStructs(fields, FILLED, this.random);
  }

  /** Waits until everything was answered, or the grace is over. */
  private async settle(graceMs: number): Promise<void> {
    const { players, window } = this;
    const deadline = this.stopped
      ? now() + Math.min(graceMs, STOP_GRACE_MS)
      : window.endAt + graceMs;
    const open = () =>
      players.some(
        ({ checker, unsettled }) => unsettled || checker.unacknowledged + checker.unsent > 0,
      );
    while (open() && now() < deadline) await delay(GRACE_STEP_MS);
  }

  /** Counts what was never sent, and what was not answered. */
  private countRest(messages: Schedule | undefined, inputs: Schedule | undefined): void {
    const { players, window } = this;
    const { counts } = this.tally;
    const neverTaken = messages?.countUntil(window.endAt) ?? 0;
    counts.due += neverTaken;
    counts.missed += neverTaken;
    counts.inputsDue += inputs?.countUntil(window.endAt) ?? 0;
    for (const { checker } of players) {
      const waiting = checker.waitingDue((due) => window.has(due));
      counts.unacknowledged += waiting.sent;
      counts.missed += waiting.unsent;
    }
  }

  private *carried(): Iterable<TrafficStats> {
    for (const { stats } of this.players) if (stats !== undefined) yield stats;
  }

  async leave(): Promise<void> {
    const left = Promise.all(this.players.map((player) => player.leave()));
    await Promise.race([left, delay(LEAVE_MS, undefined, { ref: false })]);
  }

  /** What came since the last time. */
  progress(): WorkerProgress {
    const { tally, recent } = this;
    const roundTrip = recent.encode();
    recent.reset();
    return {
      counts: { ...tally.counts },
      errors: sumOf(tally.errors.values()),
      sequenceErrors: sumOf(tally.sequenceErrors.values()),
      roundTrip,
    };
  }

  result(): WorkerResult {
    const { window, tally, meter, joinsBeganAt, joinsEndedAt } = this;
    return {
      tally: tally.data(),
      history: this.history?.verdict,
      windowMs: Number.isFinite(window.endAt) ? window.endAt - window.startAt : 0,
      cpuMs: meter.cpuMs,
      rssBytes: process.memoryUsage.rss(),
      joinsBeganAt,
      joinsEndedAt,
    };
  }
}

function now(): number {
  return performance.now();
}

function wallClock(): number {
  return performance.timeOrigin + performance.now();
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function nothing(): void {}
