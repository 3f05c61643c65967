import { StringDecoder } from "node:string_decoder";

/** Longest line that is shown; the rest of a longer one is counted and left out. */
export const MAX_LINE_LENGTH = 8_192;

/**
 * Cuts what a process writes into whole lines. Holds at most `maxLength` characters, whatever comes; a character that
 * is split between two chunks is put together again. Empty lines are left out.
 */
export class LineSplitter {
  private readonly decoder = new StringDecoder("utf8");
  private readonly maxLength: number;
  private readonly onLine: (line: string) => void;
  private held = "";
  private leftOut = 0;

  constructor(onLine: (line: string) => void, maxLength: number = MAX_LINE_LENGTH) {
    this.onLine = onLine;
    this.maxLength = maxLength;
  }

  push(chunk: Uint8Array): void {
    this.take(this.decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
  }

  /** What is left when the process is gone is a line, too. */
  end(): void {
    this.take(this.decoder.end());
    this.finish();
  }

  private take(text: string): void {
    let start = 0;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", start)) {
      this.hold(text.slice(start, at));
      this.finish();
      start = at + 1;
    }
    this.hold(text.slice(start));
  }

  private hold(part: string): void {
    const room = this.maxLength - this.held.length;
    this.held += part.slice(0, room);
    this.leftOut += Math.max(0, part.length - room);
  }

  private finish(): void {
    const { leftOut } = this;
    const line = this.held.replace(/\r$/, "");
    this.held = "";
    this.leftOut = 0;
    if (line.trim() === "" && leftOut === 0) return;
    this.onLine(leftOut === 0 ? line : `${line}… (${leftOut} more characters)`);
  }
}

// Colours (SGR), other escape sequences of terminals, and single controls but the tab.
const COLOUR = String.raw`\u001b\[[0-9;]*m`;
const SEQUENCE = String.raw`\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)?`;
const CONTROL = String.raw`[\u0000-\u0008\u000a-\u001f\u007f-\u009f]`;
const SPECIAL = new RegExp(`(${COLOUR})|${SEQUENCE}|${CONTROL}`, "g");

/** A line without what would move the cursor or clear the screen; its colours stay where they are wanted. */
export function harmless(line: string, colours: boolean): string {
  return line.replaceAll(SPECIAL, (_all, colour: string | undefined) =>
    colours && colour !== undefined ? colour : "",
  );
}

/** Cyan, green, yellow, magenta, blue; and bright ones. Red is for errors. */
const PALETTE = [36, 32, 33, 35, 34, 96, 92, 93, 95, 94];

/** `[gs-1] ` in the colour of the index. */
export function linePrefix(node: string, index: number, colours: boolean): string {
  const text = `[${node}]`;
  return colours ? `\u001b[${PALETTE[index % PALETTE.length]}m${text}\u001b[0m ` : `${text} `;
}

/** Whether colours are wanted: on a terminal, unless https://no-color.org says no. */
export function coloursWanted(
  terminal: boolean,
  env: { readonly [name: string]: string | undefined },
): boolean {
  return terminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
}
