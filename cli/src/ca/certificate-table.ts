import type { IssuedRecord } from "@atlasnet/identity";

/** `renewed`: good still, and the node has a later one. */
export type CertificateState = "valid" | "renewed" | "expired" | "not-yet-valid";

export interface CertificateRow {
  readonly node: string;
  readonly role: string;
  readonly serial: string;
  readonly from: string;
  readonly until: string;
  /** Whole days that are left, 0 for what has expired. */
  readonly daysLeft: number;
  readonly state: CertificateState;
}

const DAY_MS = 86_400_000;
const HEADS = ["NODE", "ROLE", "SERIAL", "FROM", "UNTIL", "DAYS LEFT", "STATE"];

/** What `atlasnet ca ls` shows, in the order of the records: by role and node, a node's latest first. */
export function certificateRows(
  records: readonly IssuedRecord[],
  now: number,
  dateText: (at: number) => string,
): CertificateRow[] {
  const seen = new Set<string>();
  return records.map(({ node, role, serial, notBefore, notAfter }) => {
    const who = `${role} ${node}`;
    const later = seen.has(who);
    const state = stateOf(now, notBefore, notAfter, later);
    if (state === "valid") seen.add(who);
    const daysLeft = Math.max(0, Math.floor((notAfter - now) / DAY_MS));
    return {
      node,
      role,
      serial,
      from: dateText(notBefore),
      until: dateText(notAfter),
      daysLeft,
      state,
    };
  });
}

function stateOf(
  now: number,
  notBefore: number,
  notAfter: number,
  later: boolean,
): CertificateState {
  if (now > notAfter) return "expired";
  if (now < notBefore) return "not-yet-valid";
  return later ? "renewed" : "valid";
}

/** Lines of columns, each as wide as its widest cell. */
export function tableText(rows: readonly CertificateRow[]): string {
  const cells = [HEADS, ...rows.map(cellsOf)];
  const widths = HEADS.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return `${cells.map(line).join("\n")}\n`;
}

function cellsOf({ node, role, serial, from, until, daysLeft, state }: CertificateRow): string[] {
  return [node, role, serial, from, until, String(daysLeft), state];
}
