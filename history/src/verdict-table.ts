import type { HistoryVerdict } from "./check/history-checker.ts";
import { violationText } from "./check/violation.ts";

export type Row = readonly [name: string, text: string];

/** A verdict for people: rows of a name and a text. */
export function verdictRows(verdict: HistoryVerdict): Row[] {
  const { figures: f, told, violations, clients, gaps } = verdict;
  return [
    ["history", headline(verdict)],
    ...told.map((violation, n): Row => [n === 0 ? "VIOLATION" : "", violationText(violation)]),
    ...(violations > told.length
      ? [["", `and ${grouped(violations - told.length)} more`] as const]
      : []),
    [
      "upstream",
      `${grouped(f.sent)} messages of ${grouped(clients)} clients sent, ${grouped(f.acknowledged)} acknowledged${some(f.resends, "sent again")}${some(f.unacknowledged, "not acknowledged")}${some(f.unsent, "never sent")}${some(f.lostWithSession, "given up with their sessions")}`,
    ],
    [
      "downstream",
      `${grouped(f.delivered)} messages delivered${some(f.repeats, "came again and were dropped")}${some(f.early, "came early and were asked for again")}`,
    ],
    [
      "sessions",
      `${grouped(f.sessions)}, ${grouped(f.welcomes)} welcomes, ${grouped(f.drops)} connections lost`,
    ],
    [
      "rollbacks",
      f.rollbacks === 0
        ? "none"
        : `${grouped(f.rollbacks)} told, which undid ${grouped(f.undone)} acknowledged messages`,
    ],
    ["proof", proof(verdict)],
    ...gaps
      .slice(0, 3)
      .map(
        ({ client, ms, at }, n): Row => [
          n === 0 ? "longest gaps" : "",
          `${ms.toFixed(1)} ms between two ticks at client ${client}, until ${(at / 1000).toFixed(3)} s`,
        ],
      ),
  ];
}

/** The same as text, names padded. */
export function verdictTable(verdict: HistoryVerdict): string {
  const rows = verdictRows(verdict);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join("\n");
}

function headline({ ok, complete, violations, figures }: HistoryVerdict): string {
  if (!ok) return `BROKEN: ${grouped(violations)} violations`;
  if (figures.holes > 0)
    return `not broken as far as it goes: ${grouped(figures.holes)} records are missing`;
  return complete
    ? "every reliable message applied and delivered once, and in order"
    : "no rule broken; not all of it is proved";
}

function proof({ figures }: HistoryVerdict): string {
  const { accounts, unproved } = figures;
  if (accounts === 0)
    return "numbers alone: this world gives no account of what it applied (see atlasnet history world)";
  const open =
    unproved === 0
      ? "all that was acknowledged is"
      : `${grouped(unproved)} acknowledged messages are not`;
  return `${grouped(accounts)} accounts of the world; ${open} among what it applied`;
}

function some(n: number, what: string): string {
  return n === 0 ? "" : `, ${grouped(n)} ${what}`;
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}
