import type { Logger } from "@atlasnet/core";
import { createLogger } from "@atlasnet/core/node";
import { reached } from "@atlasnet/core/testing";

export interface LogLine {
  readonly [fact: string]: unknown;
}

/** A logger as a server has it, whose lines a test reads as they are written. */
export class LogLines {
  readonly logger: Logger;
  private readonly lines: LogLine[];

  private constructor(logger: Logger, lines: LogLine[]) {
    this.logger = logger;
    this.lines = lines;
  }

  /** `facts` are on every line. */
  static async open(facts: { readonly [name: string]: string } = {}): Promise<LogLines> {
    const lines: LogLine[] = [];
    const logger = await createLogger(
      { level: "debug", format: "json", facts },
      { write: (line) => lines.push(parse(line)) },
    );
    return new LogLines(logger, lines);
  }

  /** The first line with these words, and of this node where one is named; waits for it. */
  async line(words: string, node?: string): Promise<LogLine> {
    const find = () =>
      this.lines.find(
        ({ msg, node: of }) => String(msg).includes(words) && (node === undefined || of === node),
      );
    await reached(() => find() !== undefined);
    return find() ?? {};
  }
}

/** @throws Error for a line that names a fact twice: who reads it would see one of the two. */
function parse(line: string): LogLine {
  const parsed: LogLine = JSON.parse(line);
  const names = [...line.matchAll(/"(node|role|part|world|shard|session|peer)":/g)];
  const twice = names.find(([name], at) => names.findIndex(([other]) => other === name) !== at);
  if (twice !== undefined) throw new Error(`a log line has ${twice[0]} twice: ${line}`);
  return parsed;
}
