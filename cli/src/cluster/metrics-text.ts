import type { ClusterRole } from "./layout.ts";

/** One line of metrics in Prometheus' text form. */
export interface Sample {
  readonly name: string;
  readonly labels: { readonly [name: string]: string };
  readonly value: number;
}

/** Samples that are read of one text; the rest is left out. */
const MAX_SAMPLES = 20_000;

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** The samples of a text; comments and what is no sample are passed over. */
export function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name, labelText = "", valueText = ""] = LINE.exec(line.trimEnd()) ?? [];
    const value = numberOf(valueText);
    if (name === undefined || value === undefined) continue;
    if (samples.length >= MAX_SAMPLES) break;
    const labels = [...labelText.matchAll(LABEL)].map(
      ([, key = "", quoted = ""]) => [key, unescaped(quoted)] as const,
    );
    samples.push({ name, labels: Object.fromEntries(labels), value });
  }
  return samples;
}

function numberOf(text: string): number | undefined {
  if (/^[+-]?Inf$/.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  const value = text === "" ? Number.NaN : Number(text);
  return Number.isNaN(value) ? undefined : value;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_all, sign: string) => (sign === "n" ? "\n" : sign));
}

/** What the table shows of a process; undefined: it does not say. */
export interface NodeFigures {
  /** Open connections of a proxy, or players in the worlds of a gameserver. */
  readonly players: number | undefined;
  readonly linksUp: number | undefined;
  /** An apiserver leads its group. */
  readonly leads: boolean;
  /** Names of the worlds that are open on a gameserver. */
  readonly worlds: readonly string[];
  readonly rssBytes: number | undefined;
  /** CPU time since the process began. */
  readonly cpuSeconds: number | undefined;
}

export const NO_FIGURES: NodeFigures = {
  players: undefined,
  linksUp: undefined,
  leads: false,
  worlds: [],
  rssBytes: undefined,
  cpuSeconds: undefined,
};

const PLAYERS = "atlasnet_world_sessions";

export function figuresOf(role: ClusterRole, samples: readonly Sample[]): NodeFigures {
  const { players, links } = {
    proxy: { players: "atlasnet_proxy_connections", links: "atlasnet_proxy_link_up" },
    gameserver: { players: PLAYERS, links: "atlasnet_link_open" },
    apiserver: { players: undefined, links: "atlasnet_link_open" },
  }[role];
  const worlds = samples.flatMap(({ name, labels: { world } }) =>
    name === PLAYERS && world !== undefined ? [world] : [],
  );
  return {
    players: players === undefined ? undefined : sumOf(samples, players),
    linksUp: sumOf(samples, links),
    leads: sumOf(samples, "atlasnet_raft_is_leader") === 1,
    worlds: [...new Set(worlds)].sort(),
    rssBytes: sumOf(samples, "atlasnet_process_memory_bytes", { kind: "rss" }),
    cpuSeconds: sumOf(samples, "atlasnet_process_cpu_seconds_total"),
  };
}

function sumOf(
  samples: readonly Sample[],
  name: string,
  labels: { readonly [name: string]: string } = {},
): number | undefined {
  const found = samples.filter(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  if (found.length === 0) return undefined;
  return found.reduce((sum, { value }) => sum + value, 0);
}
