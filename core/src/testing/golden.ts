import { readFileSync } from "node:fs";

/**
 * The link messages of a protocol version as bytes in hexadecimal digits, by type, with every field that
 * version has. They stay as they are: nodes that send them are out there.
 */
export function goldenLinkMessages(version: number): { readonly [type: string]: string } {
  const file = new URL(`../../src/wire/golden/link-v${version}.json`, import.meta.url);
  const content: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (typeof content !== "object" || content === null) throw new Error(`${file} is no object`);
  return Object.fromEntries(Object.entries(content).map(([type, hex]) => [type, String(hex)]));
}
