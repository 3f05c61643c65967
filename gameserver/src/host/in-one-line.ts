import { OperatingError } from "@atlasnet/core";
import { withHint } from "../problem-of.ts";
import type { Fault } from "../shard/faults.ts";

/** What was thrown, and the place in a file where it was, if it says one: operators read it in records and tables. */
export function inOneLine(error: unknown): string {
  if (error instanceof OperatingError) return joined(withHint(error.message, error.hint));
  if (!(error instanceof Error)) return joined(String(error));
  return `${error.name}: ${firstLine(error.message)}${placeIn(error.stack ?? "")}`;
}

/** The same of what a handler of a world did: `tick: no hay (file:///srv/arena.mjs:7:3)`. */
export function faultInOneLine({ event, message, stack }: Fault): string {
  return `${event}: ${firstLine(message)}${placeIn(stack)}`;
}

function placeIn(stack: string): string {
  const place = /^ +at .*?(file:[^\s)]+)/m.exec(stack)?.[1];
  return place === undefined ? "" : ` (${place})`;
}

function firstLine(text: string): string {
  const [line = ""] = text.split("\n");
  return line;
}

function joined(text: string): string {
  return text.split(/\s*\n\s*/).join("; ");
}
