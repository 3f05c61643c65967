import { type Row, verdictRows } from "@atlasnet/history";
import type { Percentiles } from "./latency.ts";
import type { LoadResult } from "./load-result.ts";
import type { LoadProgress } from "./run-load.ts";

const PHASES = {
  joining: "joining",
  "warming-up": "warming up",
  measuring: "measuring",
  finishing: "finishing",
} as const;

/** A progress as one line. */
export function progressLine(progress: LoadProgress): string {
  const { phase, seconds, joined, clients, joinsFailed, errors, sequenceErrors } = progress;
  const parts = [`${PHASES[phase]} ${Math.round(seconds)} s`];
  // It fits a terminal of 80 columns while all is well.
  if (joined < clients) parts.push(`${joined}/${clients} clients`);
  if (phase !== "joining") {
    const { sentRate, acknowledgedRate, roundTripMs } = progress;
    parts.push(
      `${grouped(sentRate)}/s sent`,
      `${grouped(acknowledgedRate)}/s answered`,
      `p50 ${ms(roundTripMs.p50)} p99 ${ms(roundTripMs.p99)}`,
    );
  }
  if (joinsFailed > 0) parts.push(`${joinsFailed} not let in`);
  if (errors > 0) parts.push(`${errors} errors`);
  if (sequenceErrors > 0) parts.push(`${sequenceErrors} SEQUENCE ERRORS`);
  return parts.join(" · ");
}

/** A result as rows of a name and a text, names padded. */
export function resultTable(result: LoadResult): string {
  const rows = [
    ...headRows(result),
    ...rateRows(result),
    ...trafficRows(result),
    ...problemRows(result),
    ...generatorRows(result),
    ...(result.history === null ? [] : verdictRows(result.history)),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join("\n");
}

function headRows(result: LoadResult): Row[] {
  const { settings, clients, joins, transports, tickRate, seconds, stopped } = result;
  const used = Object.entries(transports).map(([name, n]) => `${name} ${n}`);
  return [
    [
      "world",
      `${settings.world} at ${settings.url}, ${tickRate} ticks/s, measured ${seconds} s${stopped ? " (stopped early)" : ""}`,
    ],
    [
      "clients",
      `${clients.joined} of ${clients.asked} joined${some(clients.failed, "not let in")}${some(clients.ended, "closed before the end")}`,
    ],
    ["transport", used.join(", ") || "none"],
    ["joins", `${joins.perSecond}/s, ${times(joins.timeMs)}`],
  ];
}

function rateRows({ settings, messages, inputs, roundTripMs }: LoadResult): Row[] {
  const rows: Row[] = [];
  if (messages !== null) {
    const { achievedRate, askedRate, share, due, missed, unacknowledged, lost } = messages;
    rows.push(
      [
        `message ${settings.message}`,
        `${grouped(achievedRate)}/s of ${grouped(askedRate)}/s asked for (${(share * 100).toFixed(1)} %)`,
      ],
      [
        "",
        `${grouped(due)} due${some(missed, "never sent") || ", all sent"}${some(unacknowledged, "not acknowledged")}${some(lost, "lost with their sessions")}`,
      ],
    );
  }
  if (roundTripMs !== null) rows.push(["round trip", times(roundTripMs)]);
  if (inputs !== null)
    rows.push([
      `input ${settings.input}`,
      `${grouped(inputs.sentRate)}/s sent of ${grouped(inputs.askedRate)}/s asked for; nobody acknowledges inputs`,
    ]);
  return rows;
}

function trafficRows({ traffic, packets }: LoadResult): Row[] {
  const rows = (["sent", "received"] as const).map((way) => {
    const figures = traffic[way];
    const { messagesPerSecondAndClient, bytesPerSecondAndClient } = figures;
    return [
      way,
      `${grouped(figures.messagesPerSecond)} messages/s, ${grouped(figures.bytesPerSecond / 1000)} kB/s; per client ${messagesPerSecondAndClient} messages/s, ${grouped(bytesPerSecondAndClient)} B/s`,
    ] as const;
  });
  if (packets === null) return rows;
  const { sent, received, lost } = packets;
  return [
    ...rows,
    [
      "packets",
      `${grouped(sent)} sent, ${grouped(lost)} of them lost; ${grouped(received)} received`,
    ],
  ];
}

function problemRows({ connections, errors, sequenceErrors, examples }: LoadResult): Row[] {
  const { drops, resumes, rollbacks } = connections;
  const list = (counts: { readonly [name: string]: number }) =>
    Object.entries(counts)
      .map(([name, n]) => `${name} ${n}`)
      .join(", ");
  return [
    ["connections", `${drops} lost, ${resumes} resumed, ${rollbacks} rollbacks`],
    ["errors", list(errors) || "none"],
    [
      "sequence errors",
      sequenceErrors.total === 0 ? "0" : `${sequenceErrors.total}: ${list(sequenceErrors.byKind)}`,
    ],
    ...examples.map((text): Row => ["", text]),
  ];
}

function generatorRows({ generator, notes }: LoadResult): Row[] {
  const { processes, cores, rssMB, loopLagMs, sendLateMs, limited } = generator;
  return [
    [
      "generator",
      `${processes} ${processes === 1 ? "process" : "processes"}, ${cores} cores, ${rssMB} MB, loop lag p99 ${ms(loopLagMs.p99)}, sent late p99 ${ms(sendLateMs.p99)}`,
    ],
    ...limited.map((reason): Row => ["GENERATOR-LIMITED", reason]),
    ...notes.map((note): Row => ["note", note]),
  ];
}

function times({ count, p50, p90, p99, p999, max }: Percentiles): string {
  if (count === 0) return "none measured";
  return `p50 ${ms(p50)}, p90 ${ms(p90)}, p99 ${ms(p99)}, p99.9 ${ms(p999)}, max ${ms(max)}`;
}

function some(n: number, what: string): string {
  return n === 0 ? "" : `, ${grouped(n)} ${what}`;
}

function ms(value: number): string {
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
