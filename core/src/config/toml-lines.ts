/**
 * Which line of a TOML file says what. The parser keeps no places, and for messages to people a
 * reading of table headers and `key =` lines is near enough: what it cannot read, such as keys inside of
 * inline tables, has the line of what it stands in.
 */
export function tomlLines(text: string): (path: string) => number | undefined {
  const lines = new Map<string, number>();
  let table = "";
  /** The first line that says something of a path says something of the tables around it, too. */
  const note = (path: string, line: number) => {
    for (const at of withTables(path)) if (!lines.has(at)) lines.set(at, line);
  };
  for (const [index, line] of text.split("\n").entries()) {
    const header = /^\s*\[\[?([^\]]+)\]/.exec(line)?.[1];
    const key = /^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=/.exec(
      line,
    )?.[1];
    if (header !== undefined) {
      table = plainPath(header);
      note(table, index + 1);
    } else if (key !== undefined) {
      note(table === "" ? plainPath(key) : `${table}.${plainPath(key)}`, index + 1);
    }
  }
  return (path) => {
    for (const at of withTables(path.replaceAll(/\[\d+\]/g, ""))) {
      const line = lines.get(at);
      if (line !== undefined) return line;
    }
    return undefined;
  };
}

/** A dotted key without quotes and spaces. */
function plainPath(key: string): string {
  return key.replaceAll(/["'\s]/g, "");
}

/** A path and those of the tables it stands in: a.b.c, a.b, a. */
function withTables(path: string): string[] {
  const keys = path.split(".");
  return keys.map((_, index) => keys.slice(0, keys.length - index).join("."));
}
