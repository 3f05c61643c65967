import { isRecord } from "../agent/answers.ts";
import { unreadable } from "./head.ts";

/** What the log is for; with the shape of Raft's entries. */
export interface LogEntry {
  readonly index: number;
  readonly term: number;
  /** A leader begins its term with a `no-op`. */
  readonly type: "command" | "no-op";
  readonly data: Uint8Array;
}

/** As it stands under its key: a line of JSON, and the data unless it is elsewhere. */
export interface StoredEntry {
  readonly term: number;
  readonly type: LogEntry["type"];
  readonly id: string;
  /** The id of the entry before it; empty before the first one. */
  readonly after: string;
  readonly data: Uint8Array | { readonly name: string; readonly parts: number };
}

export function encodeEntry({ term, type, id, after, data }: StoredEntry): Uint8Array {
  const inline = data instanceof Uint8Array;
  const line = JSON.stringify({ term, type, id, after, ...(!inline && { blob: data }) });
  return Buffer.concat([Buffer.from(`${line}\n`), inline ? data : NOTHING]);
}

/** Its data is a view into `bytes`. @throws ConsulError "consul-unreadable" */
export function decodeEntry(bytes: Uint8Array, key: string): StoredEntry {
  const end = bytes.indexOf(NEWLINE);
  if (end < 0) throw unreadable(key, "is no entry of the log");
  let line: unknown;
  try {
    line = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString());
  } catch (cause) {
    throw unreadable(key, "is no entry of the log", cause);
  }
  if (!isRecord(line)) throw unreadable(key, "is no entry of the log");
  const { term, type, id, after, blob } = line;
  if (
    typeof term !== "number" ||
    (type !== "command" && type !== "no-op") ||
    typeof id !== "string" ||
    typeof after !== "string"
  )
    throw unreadable(key, "is no entry of the log");
  const stored = { term, type, id, after } as const;
  if (blob === undefined) return { ...stored, data: bytes.subarray(end + 1) };
  if (!isRecord(blob)) throw unreadable(key, "names no data");
  const { name, parts } = blob;
  if (typeof name !== "string" || typeof parts !== "number") throw unreadable(key, "names no data");
  return { ...stored, data: { name, parts } };
}

const NEWLINE = 10;
const NOTHING = new Uint8Array(0);
