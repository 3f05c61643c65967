import type { Conditions, DirectionStats, FlowStats, Relay } from "@atlasnet/netem";

type Stats = Relay["stats"];

/** The conditions as one line for people. */
export function describeConditions(conditions: Conditions): string {
  const { loss, burst, delayMs, jitterMs, reorder, duplicate, rateBytesPerSecond } = conditions;
  const parts = [
    loss === 0 ? "" : `${percent(loss)} lost${burst > 1 ? ` in runs of ${burst}` : ""}`,
    delayMs === 0 ? "" : `${jitterMs === 0 ? delayMs : `${delayMs} ± ${jitterMs}`} ms each way`,
    reorder === 0 ? "" : `${percent(reorder)} reordered`,
    duplicate === 0 ? "" : `${percent(duplicate)} doubled`,
    rateBytesPerSecond === 0
      ? ""
      : `${number(rateBytesPerSecond * 8)} bit/s with a queue of ${number(conditions.queueBytes)} bytes`,
  ].filter((part) => part !== "");
  return `${parts.length === 0 ? "a perfect line" : parts.join(", ")}; seed ${conditions.seed}`;
}

/** Where things stand, in one line. */
export function statusLine(seconds: number, { tcp, udp }: Stats): string {
  const part = (name: string, stats: FlowStats | undefined) =>
    stats === undefined
      ? []
      : [`${name} ${stats.flows} open, up ${oneWay(stats.up)}, down ${oneWay(stats.down)}`];
  return `${String(seconds).padStart(5)} s  ${[...part("udp", udp), ...part("tcp", tcp)].join("; ")}`;
}

function oneWay({ packets, lost, queueDrops, overflows }: DirectionStats): string {
  return `${number(packets)} (${number(lost + queueDrops + overflows)} lost)`;
}

const ROWS: readonly (readonly [string, keyof DirectionStats])[] = [
  ["packets in", "packets"],
  ["bytes in", "bytes"],
  ["packets out", "delivered"],
  ["bytes out", "deliveredBytes"],
  ["lost", "lost"],
  ["queue full", "queueDrops"],
  ["relay full", "overflows"],
  ["doubled", "duplicated"],
  ["reordered", "reordered"],
];

const FLOW_ROWS = [
  ["flows", "opened"],
  ["refused", "refused"],
  ["socket errors", "socketErrors"],
  ["rebinds", "rebinds"],
] as const;

/** Totals, one column for each transport and direction. For TCP a packet is a segment, and lost means stalled. */
export function totalsTable({ tcp, udp }: Stats): string {
  const relays = [
    ...(udp === undefined ? [] : [{ name: "udp", stats: udp }]),
    ...(tcp === undefined ? [] : [{ name: "tcp", stats: tcp }]),
  ];
  const rows = [
    ["", ...relays.flatMap(({ name }) => [`${name} up`, `${name} down`])],
    ...ROWS.map(([label, key]) => [
      label,
      ...relays.flatMap(({ stats }) => [number(stats.up[key]), number(stats.down[key])]),
    ]),
    ...FLOW_ROWS.map(([label, key]) => [
      label,
      ...relays.flatMap(({ stats }) => [number(stats[key]), ""]),
    ]),
  ];
  const line = ([label = "", ...cells]: readonly string[]) =>
    `${label.padEnd(14)}${cells.map((cell) => cell.padStart(14)).join("")}`.trimEnd();
  return `${rows.map(line).join("\n")}\n`;
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(4))} %`;
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
