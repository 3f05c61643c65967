/** Facts that stand in the prefix, or in the line's own places. */
const PLACED = new Set(["level", "time", "msg", "node", "error", "role"]);
/** Lines of a stack that are shown; the whole of it is in no case longer than a log line. */
const MAX_STACK_LINES = 20;

const LEVELS: { readonly [level: string]: { readonly text: string; readonly colour: number } } = {
  debug: { text: "DEBUG", colour: 90 },
  info: { text: "INFO ", colour: 32 },
  warn: { text: "WARN ", colour: 33 },
  error: { text: "ERROR", colour: 31 },
};

/**
 * A JSON log line of a process for people: time, level, message and facts in one line, the stack of an error in
 * lines below it. What is no such line stays as it is.
 */
export function prettyLine(line: string, colours: boolean): string[] {
  const entry = logEntry(line);
  if (entry === undefined) return [line];
  const { level, time, msg } = entry;
  const { text = String(level), colour = 0 } = LEVELS[String(level)] ?? {};
  const paint = (code: number, part: string) =>
    colours ? `\u001b[${code}m${part}\u001b[0m` : part;
  const facts = Object.entries(entry)
    .filter(([name]) => !PLACED.has(name))
    .map(([name, value]) => `${name}=${valueText(value)}`);
  const { message, stack } = errorParts(entry["error"]);
  if (message !== undefined) facts.push(`error=${valueText(message)}`);
  const head = `${paint(90, clockTime(String(time)))} ${paint(colour, text)} ${String(msg)}`;
  return [facts.length === 0 ? head : `${head} ${paint(90, facts.join(" "))}`, ...stack];
}

function logEntry(line: string): { readonly [name: string]: unknown } | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const entry: unknown = JSON.parse(line);
    return isRecord(entry) && "level" in entry && "msg" in entry ? entry : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function errorParts(error: unknown): { message?: string; stack: string[] } {
  if (error === undefined) return { stack: [] };
  if (!isRecord(error)) return { message: String(error), stack: [] };
  const lines = typeof error["stack"] === "string" ? error["stack"].split("\n") : [];
  const stack = lines.slice(1, 1 + MAX_STACK_LINES).map((text) => `    ${text.trim()}`);
  return { message: String(error["message"] ?? lines[0] ?? "unknown"), stack };
}

/** `14:05:06.789`, in the time of this machine. */
function clockTime(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Bare where that cannot be mistaken. */
function valueText(value: unknown): string {
  if (typeof value === "string" && /^[\w./:@%+-]+$/.test(value)) return value;
  return JSON.stringify(value);
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
