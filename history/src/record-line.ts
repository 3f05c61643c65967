import type { HistoryEvent, HistoryRecord } from "./record.ts";

/** A line of a history file that is none. */
export class HistoryFormatError extends Error {
  readonly code = "bad-history";
  constructor(problem: string) {
    super(problem);
    this.name = "HistoryFormatError";
  }
}

/** Longest line that is read, in characters: reasons are texts of servers. */
export const MAX_LINE = 16_384;

/** A record as one line of JSON, without its end: `["client",12.345,{"type":"sent","seq":1,"hash":7}]`. */
export function recordLine({ client, at, event }: HistoryRecord): string {
  return JSON.stringify([client, Math.round(at * 1000) / 1000, event]);
}

/** @throws HistoryFormatError */
export function parseRecord(line: string): HistoryRecord {
  if (line.length > MAX_LINE) throw new HistoryFormatError(`a line of ${line.length} characters`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    throw new HistoryFormatError(`not a line of JSON: ${line.slice(0, 60)}`);
  }
  if (!Array.isArray(parsed) || parsed.length !== 3)
    throw new HistoryFormatError("not a list of client, time and event");
  const [client, at, event]: unknown[] = parsed;
  if (typeof client !== "string") throw new HistoryFormatError("the client is not a text");
  if (typeof at !== "number") throw new HistoryFormatError("the time is not a number");
  if (!isEvent(event)) throw new HistoryFormatError(`no event: ${JSON.stringify(event)}`);
  return { client, at, event };
}

type Check = (value: unknown) => boolean;

const uint: Check = (value) =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
const text: Check = (value) => typeof value === "string";
const flag: Check = (value) => typeof value === "boolean";
const uintOrNull: Check = (value) => value === null || uint(value);

const NUMBERED = { seq: uint, hash: uint };
const FIELDS: { readonly [T in HistoryEvent["type"]]: { readonly [field: string]: Check } } = {
  queued: { hash: uint },
  hello: {
    ...{ stream: text, attempt: uint, resume: flag },
    ...{ firstUnacked: uint, lastReceived: uint, timeline: uintOrNull },
  },
  welcome: {
    ...{ session: uint, attempt: uint, epoch: uint, timeline: uint },
    ...{ tick: uint, appliedSeq: uint, outSeq: uint },
  },
  sent: NUMBERED,
  acknowledged: { seq: uint, tick: uint },
  asked: { seq: uint },
  received: NUMBERED,
  delivered: NUMBERED,
  confirmed: { seq: uint, timeline: uint },
  resync: {},
  tick: { tick: uint },
  disconnected: { reason: text },
  dropped: { reason: text },
  resumed: {},
  "rolled-back": {},
  close: { code: uint, reason: text },
  ended: { code: text, reason: text },
  account: {
    ...{ tick: uint, count: uint, chain: uint, last: uint },
    ...{ sentCount: uint, sentChain: uint },
  },
  hole: { records: uint },
};

function isEvent(value: unknown): value is HistoryEvent {
  if (typeof value !== "object" || value === null) return false;
  const event: { readonly [field: string]: unknown } = { ...value };
  const { type } = event;
  if (typeof type !== "string" || !isKind(type)) return false;
  return Object.entries(FIELDS[type]).every(([field, check]) => check(event[field]));
}

function isKind(type: string): type is HistoryEvent["type"] {
  return Object.hasOwn(FIELDS, type);
}
