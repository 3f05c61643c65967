/** Widest cell but for the last column's. */
const MAX_CELL = 60;

/** Columns, each as wide as its widest cell. Control characters are shown as dots. */
export function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) =>
    row.map((cell, at) => shown(cell, at === head.length - 1 ? MAX_LAST : MAX_CELL)),
  );
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

const MAX_LAST = 200;

function shown(cell: string, most: number): string {
  const clean = cell.replaceAll(/\p{Cc}/gu, "·");
  return clean.length <= most ? clean : `${clean.slice(0, most - 1)}…`;
}

/** `{zone: "eu"}` as `zone=eu`. */
export function labelsText(labels: { readonly [name: string]: string }): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}
