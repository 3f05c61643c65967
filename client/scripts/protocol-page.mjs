// Writes the generated parts of docs/protocol.md: the close codes (section 6) from world/src/close-codes.ts,
// and the golden bytes (sections 10 and 11.6) from docs/golden/client-protocol.json and udp-protocol.json.
// With --check it only says whether they are up to date.
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { closeCodes } from "@atlasnet/world";

const docs = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "docs");
const pagePath = join(docs, "protocol.md");
const readGolden = async (name) => JSON.parse(await readFile(join(docs, "golden", name), "utf8"));
const golden = await readGolden("client-protocol.json");
const udpGolden = await readGolden("udp-protocol.json");

function table(head, rows) {
  const widths = head.map((title, i) =>
    Math.max(...[title, ...rows.map((row) => row[i])].map((s) => s.length)),
  );
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

function closeCodeTable() {
  const rows = Object.entries(closeCodes).map(([name, { code, retry, meaning }]) => [
    String(code),
    `\`${name}\``,
    retry ? "yes" : "no",
    meaning,
  ]);
  return table(["number", "name", "retry", "meaning"], rows);
}

function vector({ name, from, about, hex, parts }) {
  const title = from === undefined ? name : `${name} (from the ${from})`;
  const lines = hex.match(/.{1,96}/g).join("\n");
  const rows = parts.map(([bytes, meaning]) => [
    `\`${bytes.length > 48 ? `${bytes.slice(0, 44)}…` : bytes}\``,
    meaning,
  ]);
  return `**${title}.** ${about}\n\n\`\`\`\n${lines}\n\`\`\`\n\n${table(["bytes", "meaning"], rows)}`;
}

function goldenBytes() {
  return [
    "The same vectors stand in `docs/golden/client-protocol.json`. They are of this definition, as JSON:",
    `\`\`\`json\n${JSON.stringify(golden.definition, null, 1)
      .replace(/\n\s*/g, " ")
      .replace(/(.{1,96})(?: |$)/g, "$1\n")
      .trimEnd()}\n\`\`\``,
    `Its schema hash is \`${golden.schema}\`. Its public components are \`position\` (mask bit 0) and \`look\` (bit 1); \`purse\` is owner-only (bit 0 there). Topic 0 is the channel \`lobby\`, topics 1 to 4 are the cells (0, 0), (1, 0), (0, 1) and (1, 1).`,
    "### 10.1 Messages",
    ...golden.messages.map(vector),
    "### 10.2 Frames",
    ...golden.framed.map(vector),
    "### 10.3 State",
    "The packed bytes of three state messages that follow each other; each travels as `[1, packed]`.",
    ...golden.states.map(vector),
    "### 10.4 Updates",
    "The packed bytes of an updates message (section 11.4); over UDP it travels in a state frame or as `[10, packed]`.",
    ...golden.updates.map(vector),
  ].join("\n\n");
}

function udpGoldenBytes() {
  const keys = Object.entries(udpGolden.keys).map(([name, hex]) => [name, `\`${hex}\``]);
  return [
    "One connection with fixed keys, also in `docs/golden/udp-protocol.json`. An ephemeral key is fresh for each handshake everywhere else.",
    table(["key", "bytes"], keys),
    ...[...udpGolden.handshake, ...udpGolden.sealed, udpGolden.reset].map(vector),
  ].join("\n\n");
}

function replaced(page, name, content) {
  const begin = `<!-- ${name} -->`;
  const end = `<!-- /${name} -->`;
  const from = page.indexOf(begin);
  if (from < 0) throw new Error(`${pagePath} has no ${begin}`);
  const to = page.indexOf(end);
  const rest = page.slice(to < 0 ? from + begin.length : to + end.length);
  return `${page.slice(0, from)}${begin}\n\n${content}\n\n${end}${rest}`;
}

const page = (await readFile(pagePath, "utf8")).replaceAll("\r\n", "\n");
const generated = {
  "close-codes": closeCodeTable(),
  golden: goldenBytes(),
  "golden-udp": udpGoldenBytes(),
};
const updated = Object.entries(generated).reduce(
  (text, [name, content]) => replaced(text, name, content),
  page,
);
// The formatter has its own mind about spaces and the width of tables.
const plain = (text) => text.replace(/\s+/g, "").replace(/-{2,}/g, "--");
const current = plain(updated) === plain(page);
if (process.argv.includes("--check")) {
  if (!current) {
    process.stderr.write(
      "docs/protocol.md is out of date: node client/scripts/protocol-page.mjs\n",
    );
    process.exitCode = 1;
  }
} else if (!current) await writeFile(pagePath, updated);
