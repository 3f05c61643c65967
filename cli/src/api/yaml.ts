/** JSON values as YAML, as much of it as lists and maps of plain values need. */
export function yamlText(value: unknown): string {
  return `${block(value, 0)}\n`;
}

function block(value: unknown, depth: number): string {
  const indent = "  ".repeat(depth);
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return value
      .map((item) => {
        const text = block(item, depth + 1);
        // The first line of a map or list stands behind the dash.
        return `${indent}- ${isNested(item) ? text.trimStart() : text}`;
      })
      .join("\n");
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    if (entries.length === 0) return "{}";
    return entries
      .map(([name, item]) => {
        const text = block(item, depth + 1);
        return `${indent}${scalar(name)}:${isNested(item) ? `\n${text}` : ` ${text}`}`;
      })
      .join("\n");
  }
  return scalar(value);
}

function isNested(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return (
    typeof value === "object" &&
    value !== null &&
    Object.values(value).some((item) => item !== undefined)
  );
}

/** Words that YAML readers take for something else than text. */
const SPECIAL = /^(?:true|false|yes|no|on|off|y|n|null)$/i;
/** Begins with a letter, so that it is no number and no date. */
const PLAIN = /^[A-Za-z_/][A-Za-z0-9_./@-]*(?: [A-Za-z0-9_./@-]+)*$/;

function scalar(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value ?? null);
  // A JSON string is a YAML string.
  return PLAIN.test(value) && !SPECIAL.test(value) ? value : JSON.stringify(value);
}
