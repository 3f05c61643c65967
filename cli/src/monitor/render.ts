import type { TopicEntity } from "@atlasnet/world";
import type { FollowedTopic } from "./followed-topic.ts";
import { HISTORY, type ShownServer } from "./server-table.ts";

/** Entities of a followed topic shown per server. */
const SHOWN_ENTITIES = 4;
const BLOCKS = "▁▂▃▄▅▆▇█";

/** A second per sign, scaled to the highest; a blank where nothing came. */
export function sparkline(values: readonly (number | undefined)[]): string {
  const highest = Math.max(1, ...values.map((value) => value ?? 0));
  const signs = values.map((value) => {
    if (value === undefined) return " ";
    return BLOCKS[Math.min(BLOCKS.length - 1, Math.floor((value / highest) * BLOCKS.length))];
  });
  return signs.join("");
}

const COLUMNS = [
  ["SERVER", 20],
  ["CLIENTS", 8],
  ["EVENTS/S", 10],
  ["TICK HZ", 8],
  ["AGE", 7],
] as const;

/** The table of servers, a line each, at most `width` signs wide. */
export function renderServers(servers: readonly ShownServer[], width: number): string[] {
  const head = `${row(COLUMNS.map(([name]) => name))}  LAST ${HISTORY} S`;
  if (servers.length === 0)
    return [head, "no server was heard yet"].map((line) => cut(line, width));
  const lines = servers.map(({ announcement, ageMs, stale, history }) => {
    const { server, connected_clients, events_per_sec, tick_hz } = announcement;
    const age = stale ? "stale" : `${(ageMs / 1000).toFixed(1)} s`;
    const figures = [connected_clients, events_per_sec.toFixed(1), tick_hz.toFixed(1), age];
    const room = width - row([]).length - 2;
    const line = sparkline(history.slice(-Math.max(0, room)));
    return `${row([server, ...figures.map(String)])}  ${line}`;
  });
  return [head, ...lines].map((line) => cut(line, width));
}

/** What is followed of one server. */
export function renderTopic(
  server: string,
  name: string,
  topic: FollowedTopic,
  width: number,
): string[] {
  const { follower, entities, tick, changes } = topic;
  const lines = [
    `${name} on ${server}: ${entities.size} entities at tick ${tick}, ${changes} changes, ` +
      `${follower.gaps} gaps, ${follower.filled} datagrams filled, ${follower.fulls} full states`,
  ];
  if (topic.problem !== undefined) lines.push(`  ${topic.problem}`);
  const { lastChange } = topic;
  const news = lastChange === undefined ? [] : [...lastChange.enter, ...lastChange.update];
  for (const entity of news.slice(0, SHOWN_ENTITIES)) lines.push(`  ${entityText(entity)}`);
  return lines.map((line) => cut(line, width));
}

function entityText({ id, ...components }: TopicEntity): string {
  const parts = Object.entries(components).map(([name, value]) => `${name} ${valueText(value)}`);
  return `#${id} ${parts.join(", ")}`;
}

/** A component as people read it. Texts in it come from players: JSON escapes what a terminal acts on. */
function valueText(value: unknown): string {
  const text = JSON.stringify(value, (_key, inner: unknown) =>
    inner instanceof Uint8Array
      ? Buffer.from(inner).toString("base64")
      : typeof inner === "number"
        ? Math.round(inner * 1000) / 1000
        : inner,
  );
  // JSON leaves the controls above 0x7e alone.
  return (text ?? "").replaceAll(/[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "?");
}

function row(values: readonly string[]): string {
  return COLUMNS.map(([, width], column) => {
    const text = cut(values[column] ?? "", width);
    return column === 0 ? text.padEnd(width) : text.padStart(width);
  }).join("");
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
