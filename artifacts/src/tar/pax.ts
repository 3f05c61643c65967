import { badModule } from "../bad-module.ts";
import { decodeText } from "./tar-header.ts";

/** What a pax header says of the entry behind it, as far as it matters here. */
export interface PaxAttributes {
  readonly path?: string;
  readonly size?: number;
}

/** Of the length that a record says it has. */
const LENGTH_DIGITS = 6;

/**
 * Reads the records `<length> <key>=<value>\n` of a pax header. Times, owners and vendors' notes are left
 * out; what would make of the entry something else than a file or folder is refused.
 * @throws ArtifactError "bad-module"
 */
export function parsePax(bytes: Uint8Array): PaxAttributes {
  let path: string | undefined;
  let size: number | undefined;
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    if (space <= at || space > at + LENGTH_DIGITS) throw unreadable();
    const digits = decodeText(bytes.subarray(at, space));
    const end = at + (/^[1-9]\d*$/.test(digits) ? Number(digits) : 0);
    if (end <= space + 1 || end > bytes.length || bytes[end - 1] !== 10) throw unreadable();
    const [, key, value = ""] =
      /^([^=]+)=(.*)$/s.exec(decodeText(bytes.subarray(space + 1, end - 1))) ?? [];
    if (key === undefined) throw unreadable();
    if (key === "linkpath" || key.startsWith("GNU.sparse"))
      throw badModule("links and sparse files are not allowed");
    if (key === "path") path = value;
    if (key === "size") {
      if (!/^\d{1,15}$/.test(value)) throw badModule("the size cannot be read");
      size = Number(value);
    }
    at = end;
  }
  return { ...(path === undefined ? {} : { path }), ...(size === undefined ? {} : { size }) };
}

function unreadable() {
  return badModule("a pax header cannot be read");
}

/** A pax header that gives the next entry its path. */
export function encodePaxPath(path: string): Uint8Array {
  const rest = Buffer.from(` path=${path}\n`);
  let length = rest.length;
  // The length counts its own digits.
  while (length !== rest.length + String(length).length)
    length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}
