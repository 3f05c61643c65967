import { type HistoryVerdict, mergedVerdict } from "@atlasnet/history";
import type { Percentiles } from "./latency.ts";
import type { LoadPlan } from "./load-options.ts";
import type { Scouted } from "./scout.ts";
import { sumOf, type Tally } from "./tally.ts";
import type { WorkerResult } from "./worker-messages.ts";

/** Above one of these the generator itself was what was measured. */
const MAX_LOOP_LAG_MS = 20;
const MAX_SEND_LATE_MS = 20;
const MAX_CORE_SHARE = 0.95;
/** Part of the server's limit that clients use (the SDK's pacer). */
const PACED_SHARE = 0.9;

/** What a load came to. Times in ms, rates per second of all clients together. */
export interface LoadResult {
  readonly settings: {
    readonly url: string;
    readonly world: string;
    readonly transport: string;
    readonly clients: number;
    readonly rate: number;
    readonly seconds: number;
    readonly message: string | null;
    readonly input: string | null;
    readonly inputRate: number | null;
    readonly processes: number;
    readonly rampSeconds: number;
    readonly warmUpSeconds: number;
    readonly graceSeconds: number;
    readonly seed: number;
  };
  readonly tickRate: number;
  /** True when it was stopped before its time; `seconds` is the window as it was. */
  readonly stopped: boolean;
  readonly seconds: number;
  /** Clients by the transport they used at the end of the window. */
  readonly transports: { readonly [name: string]: number };
  readonly clients: { asked: number; joined: number; failed: number; ended: number };
  readonly joins: { readonly perSecond: number; readonly timeMs: Percentiles };
  /** Null when only inputs were sent, which nobody acknowledges. */
  readonly messages: MessageFigures | null;
  readonly inputs: InputFigures | null;
  readonly roundTripMs: Percentiles | null;
  /** Of the protocol's messages, pings and acks included, without what transports put around them. */
  readonly traffic: { readonly sent: TrafficFigures; readonly received: TrafficFigures };
  /** Packets of UDP in the window, null over other transports. `lost` are those that clients sent. */
  readonly packets: {
    readonly sent: number;
    readonly received: number;
    readonly lost: number;
  } | null;
  readonly connections: { drops: number; resumes: number; rollbacks: number };
  readonly errors: { readonly [code: string]: number };
  readonly sequenceErrors: { total: number; readonly byKind: { readonly [kind: string]: number } };
  /** Texts of the first errors. */
  readonly examples: readonly string[];
  readonly generator: {
    readonly processes: number;
    /** Cores that all processes together used. */
    readonly cores: number;
    readonly rssMB: number;
    readonly loopLagMs: Percentiles;
    readonly sendLateMs: Percentiles;
    /** Why the generator and not the server may be what was measured; empty when it was not. */
    readonly limited: readonly string[];
  };
  readonly notes: readonly string[];
  /** What the history checker found; null when nothing was recorded. */
  readonly history: HistoryVerdict | null;
}

export interface MessageFigures {
  /** Messages per second: clients × rate. */
  readonly askedRate: number;
  /** Acknowledged while the window lasted, never more than were due in it. */
  readonly achievedRate: number;
  /** `achievedRate / askedRate`. */
  readonly share: number;
  readonly due: number;
  readonly sent: number;
  readonly acknowledged: number;
  /** Due and never sent. */
  readonly missed: number;
  /** Sent and not acknowledged when the grace was over. */
  readonly unacknowledged: number;
  /** Given up with lost sessions. */
  readonly lost: number;
}

export interface InputFigures {
  readonly askedRate: number;
  /** Handed to the client while it was in: whether they arrived, nobody tells. */
  readonly sentRate: number;
  readonly due: number;
  readonly sent: number;
}

export interface TrafficFigures {
  readonly bytes: number;
  readonly messages: number;
  readonly bytesPerSecond: number;
  readonly messagesPerSecond: number;
  readonly bytesPerSecondAndClient: number;
  readonly messagesPerSecondAndClient: number;
}

export interface Measured {
  readonly plan: LoadPlan;
  readonly scouted: Scouted;
  readonly tally: Tally;
  readonly workers: readonly WorkerResult[];
  readonly stopped: boolean;
}

export function loadResult({ plan, scouted, tally, workers, stopped }: Measured): LoadResult {
  const { counts } = tally;
  const seconds = Math.max(0, ...workers.map(({ windowMs }) => windowMs)) / 1000;
  const { message, input } = scouted;
  const joinSeconds =
    (Math.max(...workers.map((worker) => worker.joinsEndedAt)) -
      Math.min(...workers.map((worker) => worker.joinsBeganAt))) /
    1000;
  const traffic = (bytes: number, messages: number): TrafficFigures => ({
    bytes,
    messages,
    bytesPerSecond: per(bytes, seconds),
    messagesPerSecond: per(messages, seconds),
    bytesPerSecondAndClient: per(bytes, seconds * counts.joined),
    messagesPerSecondAndClient: per(messages, seconds * counts.joined),
  });
  return {
    settings: settings(plan, scouted),
    tickRate: scouted.tickRate,
    stopped,
    seconds: rounded(seconds, 3),
    transports: Object.fromEntries(tally.transports),
    clients: {
      asked: plan.clients,
      joined: counts.joined,
      failed: counts.joinsFailed,
      ended: counts.ended,
    },
    joins: { perSecond: per(counts.joined, joinSeconds), timeMs: tally.join.percentiles },
    messages: message === undefined ? null : messageFigures(plan, tally, seconds),
    inputs: input === undefined ? null : inputFigures(plan, tally, seconds),
    roundTripMs: message === undefined ? null : tally.roundTrip.percentiles,
    traffic: {
      sent: traffic(counts.bytesOut, counts.messagesOut),
      received: traffic(counts.bytesIn, counts.messagesIn),
    },
    packets:
      counts.packetsOut === 0
        ? null
        : { sent: counts.packetsOut, received: counts.packetsIn, lost: counts.packetsLost },
    connections: { drops: counts.drops, resumes: counts.resumes, rollbacks: counts.rollbacks },
    errors: Object.fromEntries(tally.errors),
    sequenceErrors: {
      total: sumOf(tally.sequenceErrors.values()),
      byKind: Object.fromEntries(tally.sequenceErrors),
    },
    examples: tally.examples,
    generator: {
      processes: workers.length,
      cores: per(sumOf(workers.map(({ cpuMs }) => cpuMs)) / 1000, seconds),
      rssMB: rounded(sumOf(workers.map(({ rssBytes }) => rssBytes)) / 1e6, 0),
      loopLagMs: tally.loopLag.percentiles,
      sendLateMs: tally.sendLate.percentiles,
      limited: limits(tally, workers, seconds),
    },
    notes: notes(plan, scouted),
    history: historyOf(workers),
  };
}

function historyOf(workers: readonly WorkerResult[]): HistoryVerdict | null {
  const verdicts = workers.flatMap(({ history }) => history ?? []);
  return verdicts.length === 0 ? null : mergedVerdict(verdicts);
}

function settings(plan: LoadPlan, { message, input }: Scouted): LoadResult["settings"] {
  return {
    url: plan.address,
    world: plan.world,
    transport: plan.transport,
    clients: plan.clients,
    rate: plan.rate,
    seconds: plan.seconds,
    message: message ?? null,
    input: input ?? null,
    inputRate: input === undefined ? null : plan.inputRate,
    processes: plan.processes,
    rampSeconds: plan.rampSeconds,
    warmUpSeconds: plan.warmUpSeconds,
    graceSeconds: plan.graceSeconds,
    seed: plan.seed,
  };
}

function messageFigures(plan: LoadPlan, { counts }: Tally, seconds: number): MessageFigures {
  const askedRate = plan.clients * plan.rate;
  // What was due before the window and came late must not make up for what is late in it.
  const achievedRate = per(Math.min(counts.acknowledgedMeanwhile, counts.due), seconds);
  return {
    askedRate: rounded(askedRate),
    achievedRate,
    share: rounded(achievedRate / askedRate, 4),
    due: counts.due,
    sent: counts.sent,
    acknowledged: counts.acknowledged,
    missed: counts.missed,
    unacknowledged: counts.unacknowledged,
    lost: counts.lost,
  };
}

function inputFigures(plan: LoadPlan, { counts }: Tally, seconds: number): InputFigures {
  return {
    askedRate: rounded(plan.clients * plan.inputRate),
    sentRate: per(counts.inputsSent, seconds),
    due: counts.inputsDue,
    sent: counts.inputsSent,
  };
}

function limits(tally: Tally, workers: readonly WorkerResult[], seconds: number): string[] {
  const lag = tally.loopLag.percentile(0.99);
  const late = tally.sendLate.percentile(0.99);
  const busiest = Math.max(0, ...workers.map(({ cpuMs }) => per(cpuMs / 1000, seconds)));
  return [
    ...(lag > MAX_LOOP_LAG_MS
      ? [`its event loops were late by ${lag} ms (p99; up to ${MAX_LOOP_LAG_MS} is fine)`]
      : []),
    ...(late > MAX_SEND_LATE_MS
      ? [
          `messages were sent ${late} ms after they were due (p99; up to ${MAX_SEND_LATE_MS} is fine)`,
        ]
      : []),
    ...(busiest > MAX_CORE_SHARE
      ? [`a process used ${rounded(busiest * 100, 0)} % of a core: take more --processes`]
      : []),
  ];
}

function notes(plan: LoadPlan, { message, input, messagesPerSecond }: Scouted): string[] {
  const perClient =
    (message === undefined ? 0 : plan.rate) + (input === undefined ? 0 : plan.inputRate);
  const allowed = messagesPerSecond * PACED_SHARE;
  return [
    ...(message === undefined
      ? [
          "the world has no client messages: inputs were sent, which are not acknowledged, so there is no round trip",
        ]
      : []),
    ...(messagesPerSecond > 0 && perClient > allowed
      ? [
          `each client sends ${perClient} a second, and the server's proxy.limits.messagesPerSecond (${messagesPerSecond}) holds clients to ${allowed}`,
        ]
      : []),
  ];
}

function per(amount: number, seconds: number): number {
  return seconds > 0 ? rounded(amount / seconds) : 0;
}

function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}
