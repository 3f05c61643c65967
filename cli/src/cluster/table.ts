import type { ClusterRole } from "./layout.ts";

export type NodeState = "starting" | "ready" | "failing" | "draining" | "restarting" | "exited";

/** A process as the table shows it. */
export interface NodeRow {
  readonly node: string;
  readonly role: ClusterRole;
  readonly pid: number | undefined;
  readonly state: NodeState;
  readonly players: number | undefined;
  readonly linksUp: number | undefined;
  /** Links it should have; undefined: nobody knows. */
  readonly linksWanted: number | undefined;
  /** Cores in use: 1 is one whole core. */
  readonly cores: number | undefined;
  readonly rssBytes: number | undefined;
  readonly restarts: number;
  /** The worlds of a gameserver, the port of a proxy or an apiserver, and whether that one leads. */
  readonly serves: string;
}

interface Column {
  readonly head: string;
  readonly width: number;
  /** Left out on terminals narrower than this. */
  readonly minWidth?: number;
  readonly left?: boolean;
  text(row: NodeRow): string;
}

const COLUMNS: readonly Column[] = [
  { head: "NODE", width: 9, left: true, text: ({ node }) => node },
  { head: "ROLE", width: 11, minWidth: 92, left: true, text: ({ role }) => role },
  { head: "STATE", width: 11, left: true, text: ({ state }) => state },
  { head: "PID", width: 7, text: ({ pid }) => figure(pid) },
  { head: "PLAYERS", width: 9, text: ({ players }) => figure(players) },
  { head: "LINKS", width: 7, text: linksText },
  {
    head: "CPU",
    width: 7,
    text: ({ cores }) => (cores === undefined ? "-" : `${Math.round(cores * 100)} %`),
  },
  {
    head: "MEMORY",
    width: 9,
    text: ({ rssBytes }) => (rssBytes === undefined ? "-" : `${Math.round(rssBytes / 1e6)} MB`),
  },
  { head: "RESTARTS", width: 10, text: ({ restarts }) => String(restarts) },
];

const STATE_COLOURS: { readonly [S in NodeState]: number } = {
  starting: 33,
  ready: 32,
  failing: 31,
  draining: 33,
  restarting: 33,
  exited: 31,
};

/**
 * The table of processes, a line each, at most `width` characters wide (colours do not count); the column SERVES
 * has what is left. Readable from 80 columns on.
 */
export function renderCluster(
  rows: readonly NodeRow[],
  { width, colours }: { width: number; colours: boolean },
): string[] {
  const columns = COLUMNS.filter(({ minWidth = 0 }) => width >= minWidth);
  const head = cut(`${columns.map((column) => cell(column, column.head)).join("")}  SERVES`, width);
  const lines = rows.map((row) => {
    const line = cut(
      `${columns.map((column) => cell(column, column.text(row))).join("")}  ${row.serves}`,
      width,
    );
    return colours ? coloured(line, row) : line;
  });
  return [head, ...lines];
}

/** The state's word gets its colour; it stands behind the node's id and role, which do not contain it. */
function coloured(line: string, { state }: NodeRow): string {
  const at = line.indexOf(` ${state}`) + 1;
  if (at === 0) return line;
  return `${line.slice(0, at)}\u001b[${STATE_COLOURS[state]}m${state}\u001b[0m${line.slice(at + state.length)}`;
}

function linksText({ linksUp, linksWanted }: NodeRow): string {
  if (linksUp === undefined || linksWanted === undefined) return figure(linksUp);
  return `${linksUp}/${linksWanted}`;
}

function figure(value: number | undefined): string {
  return value === undefined ? "-" : String(value);
}

function cell({ width, left }: Column, text: string): string {
  return left === true
    ? `${cut(text, width - 1)}`.padEnd(width)
    : cut(text, width - 1).padStart(width);
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
