import { createReadStream } from "node:fs";
import type { HistoryRecord } from "../record.ts";
import { HistoryFormatError, MAX_LINE, parseRecord } from "../record-line.ts";

/**
 * The records of a file, one after the other. A last line that was not finished is left out: the process that wrote
 * it was killed. @throws HistoryFormatError naming file and line, or what the disk says
 */
export async function* readHistory(file: string): AsyncIterable<HistoryRecord> {
  let rest = "";
  let number = 0;
  for await (const chunk of createReadStream(file, "utf8")) {
    const lines = `${rest}${String(chunk)}`.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE)
      throw new HistoryFormatError(`${file}:${number + 1}: this is no history of AtlasNet`);
    for (const line of lines) {
      number += 1;
      if (line.trim() !== "") yield parsed(line, file, number);
    }
  }
}

function parsed(line: string, file: string, number: number): HistoryRecord {
  try {
    return parseRecord(line);
  } catch (error) {
    if (!(error instanceof HistoryFormatError)) throw error;
    throw new HistoryFormatError(`${file}:${number}: ${error.message}`);
  }
}
