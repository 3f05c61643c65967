import { Latency } from "./latency.ts";

/** Plain counts, which add up over processes. Those marked (window) are of what was due in the window. */
const NO_COUNTS = {
  joined: 0,
  joinsFailed: 0,
  /** Clients that were closed for good before the load was over. */
  ended: 0,
  /** Connections lost, and got back. */
  drops: 0,
  resumes: 0,
  rollbacks: 0,
  /** Messages that were due (window). */
  due: 0,
  sent: 0,
  acknowledged: 0,
  /** Given up with a session that was lost (window). */
  lost: 0,
  /** Due and never sent (window). */
  missed: 0,
  /** Sent and not acknowledged when the grace was over (window). */
  unacknowledged: 0,
  /** Acknowledgements that came while the window lasted, whenever their messages were due. */
  acknowledgedMeanwhile: 0,
  inputsDue: 0,
  inputsSent: 0,
  /** Of all clients, while the window lasted. */
  bytesIn: 0,
  bytesOut: 0,
  messagesIn: 0,
  messagesOut: 0,
  /** Of UDP; 0 over other transports. */
  packetsIn: 0,
  packetsOut: 0,
  packetsLost: 0,
  /** Acknowledged so far, in the window or not: for the progress. */
  acknowledgedEver: 0,
  sentEver: 0,
};
export type Counts = typeof NO_COUNTS;
export type CountName = keyof Counts;

const LATENCIES = ["roundTrip", "join", "sendLate", "loopLag"] as const;
type LatencyName = (typeof LATENCIES)[number];

/** Examples kept of errors; their counts go on. */
const MAX_EXAMPLES = 10;
/** Kinds of errors that are told apart; more are counted together. */
const MAX_KINDS = 100;

/** A tally as it goes from process to process. */
export interface TallyData {
  readonly counts: Counts;
  readonly latencies: { readonly [name in LatencyName]: string };
  readonly errors: { readonly [code: string]: number };
  readonly sequenceErrors: { readonly [kind: string]: number };
  readonly examples: readonly string[];
  readonly transports: { readonly [name: string]: number };
}

/** What one process counted, or all of them. */
export class Tally {
  readonly counts: Counts = { ...NO_COUNTS };
  readonly roundTrip = new Latency();
  readonly join = new Latency();
  readonly sendLate = new Latency();
  readonly loopLag = new Latency();
  readonly errors = new Map<string, number>();
  readonly sequenceErrors = new Map<string, number>();
  readonly examples: string[] = [];
  readonly transports = new Map<string, number>();

  error(code: string, example: string): void {
    increase(this.errors, code);
    this.example(`${code}: ${example}`);
  }

  sequenceError(kind: string, example: string): void {
    increase(this.sequenceErrors, kind);
    this.example(`${kind}: ${example}`);
  }

  private example(text: string): void {
    if (this.examples.length < MAX_EXAMPLES) this.examples.push(text);
  }

  data(): TallyData {
    const latencies = {
      roundTrip: this.roundTrip.encode(),
      join: this.join.encode(),
      sendLate: this.sendLate.encode(),
      loopLag: this.loopLag.encode(),
    };
    return {
      counts: { ...this.counts },
      latencies,
      errors: Object.fromEntries(this.errors),
      sequenceErrors: Object.fromEntries(this.sequenceErrors),
      examples: this.examples,
      transports: Object.fromEntries(this.transports),
    };
  }

  merge(data: TallyData): void {
    addCounts(this.counts, data.counts);
    for (const name of LATENCIES) this[name].merge(data.latencies[name]);
    for (const [code, n] of Object.entries(data.errors)) increase(this.errors, code, n);
    for (const [kind, n] of Object.entries(data.sequenceErrors))
      increase(this.sequenceErrors, kind, n);
    for (const [name, n] of Object.entries(data.transports)) increase(this.transports, name, n);
    for (const text of data.examples) this.example(text);
  }
}

export function addCounts(to: Counts, more: Counts): void {
  let name: CountName;
  for (name in NO_COUNTS) to[name] += more[name];
}

export function sumOf(counts: Iterable<number>): number {
  let sum = 0;
  for (const n of counts) sum += n;
  return sum;
}

export function increase(counts: Map<string, number>, name: string, by = 1): void {
  const known = counts.has(name) || counts.size < MAX_KINDS ? name : "others";
  counts.set(known, (counts.get(known) ?? 0) + by);
}
