import { badModule } from "../bad-module.ts";

export const BLOCK = 512;

/** One header block, as it stands there. */
export interface TarHeader {
  readonly path: string;
  /** Of the content that follows, in bytes. */
  readonly size: number;
  /** The type flag: `0` a file, `5` a folder, `x` attributes of the next entry, … */
  readonly type: string;
}

/** Positions of fields in a header block. */
const NAME = { at: 0, length: 100 };
const MODE = { at: 100, length: 8 };
const UID = { at: 108, length: 8 };
const GID = { at: 116, length: 8 };
const SIZE = { at: 124, length: 12 };
const MTIME = { at: 136, length: 12 };
const CHECKSUM = { at: 148, length: 8 };
const TYPE = 156;
const MAGIC = { at: 257, length: 8 };
const PREFIX = { at: 345, length: 155 };

type Field = { readonly at: number; readonly length: number };

export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** @throws ArtifactError "bad-module" */
export function parseHeader(block: Uint8Array): TarHeader {
  if (octal(block, CHECKSUM) !== checksum(block)) throw badModule("a header's checksum is wrong");
  const name = text(block, NAME);
  // GNU tar keeps other things where POSIX has the prefix, and says so in the magic.
  const prefix = isUstar(block) ? text(block, PREFIX) : "";
  const size = octal(block, SIZE);
  if (size === undefined) throw badModule("the size cannot be read", { path: name });
  const type = String.fromCharCode(block[TYPE] ?? 0);
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    size,
    // Before POSIX, a file had no flag.
    type: type === "\0" ? "0" : type,
  };
}

/** A header with nothing in it that differs between machines or days. Path at most 100 bytes. */
export function encodeHeader({ path, size, type }: TarHeader): Uint8Array {
  const block = new Uint8Array(BLOCK);
  put(block, NAME, path);
  put(block, MODE, "000644 \0");
  put(block, UID, "000000 \0");
  put(block, GID, "000000 \0");
  put(block, SIZE, `${size.toString(8).padStart(11, "0")} `);
  put(block, MTIME, `${FIXED_MTIME.toString(8).padStart(11, "0")} `);
  block[TYPE] = type.charCodeAt(0);
  put(block, MAGIC, "ustar\x0000");
  put(block, CHECKSUM, `${checksum(block).toString(8).padStart(6, "0")}\0 `);
  return block;
}

export function fitsName(path: string): boolean {
  return Buffer.byteLength(path) <= NAME.length;
}

/** 1985-10-26, which npm writes too: some tools choke on 1970. */
const FIXED_MTIME = 499_162_500;

function checksum(block: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) {
    const inField = i >= CHECKSUM.at && i < CHECKSUM.at + CHECKSUM.length;
    sum += inField ? 32 : (block[i] ?? 0);
  }
  return sum;
}

function isUstar(block: Uint8Array): boolean {
  return Buffer.from(block.subarray(MAGIC.at, MAGIC.at + 6)).equals(Buffer.from("ustar\0"));
}

/** A number in octal digits; undefined for anything else, as for the binary form of sizes above 8 GB. */
function octal(block: Uint8Array, { at, length }: Field): number | undefined {
  const digits = Buffer.from(block.subarray(at, at + length)).toString("latin1");
  const [, found] = /^ *([0-7]+)[ \0]*$/.exec(digits) ?? [];
  return found === undefined ? undefined : Number.parseInt(found, 8);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function text(block: Uint8Array, { at, length }: Field): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return decodeText(end < 0 ? field : field.subarray(0, end));
}

/** @throws ArtifactError "bad-module" */
export function decodeText(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw badModule("a name is not UTF-8", { cause });
  }
}

function put(block: Uint8Array, { at, length }: Field, value: string): void {
  const bytes = Buffer.from(value);
  if (bytes.length > length) throw new RangeError(`${value} has more than ${length} bytes`);
  block.set(bytes, at);
}
