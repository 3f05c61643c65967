import { Buffer } from "node:buffer";

/**
 * What our binary files have in common (snapshots, journals, segments of the Raft log), their beginning:
 *
 *     8 bytes   magic, says which file it is
 *     u16       format version
 *     u32       length of the header
 *     header    JSON in UTF-8, so that `head -c` on the file tells a person what it is
 *
 * All numbers are little-endian.
 */
const MAGIC_BYTES = 8;
export const PREAMBLE_BYTES = MAGIC_BYTES + 2 + 4;
/** A schema of 28 components with 64 fields each stays far below it. */
export const MAX_HEADER_BYTES = 4 * 1024 * 1024;

/**
 * Bytes that are not a good file. `torn`: it ends too early or in zeros, as a file does that was
 * being written when the machine died. Otherwise it was damaged later, or is something else.
 */
export class BadFile extends Error {
  readonly code = "bad-file";
  readonly torn: boolean;
  constructor(problem: string, torn = false) {
    super(problem);
    this.name = "BadFile";
    this.torn = torn;
  }
}

/** A good file of a newer AtlasNet. It must not be treated as damage. */
export class NewerFormat extends Error {
  readonly code = "newer-format";
  readonly found: number;
  constructor(found: number, supported: number) {
    super(`has format version ${found}; this AtlasNet reads up to ${supported}`);
    this.name = "NewerFormat";
    this.found = found;
  }
}

export function encodeBeginning(magic: string, version: number, header: object): Buffer {
  const json = Buffer.from(JSON.stringify(header), "utf8");
  const bytes = Buffer.alloc(PREAMBLE_BYTES + json.length);
  bytes.write(magic, "latin1");
  bytes.writeUInt16LE(version, MAGIC_BYTES);
  bytes.writeUInt32LE(json.length, MAGIC_BYTES + 2);
  json.copy(bytes, PREAMBLE_BYTES);
  return bytes;
}

/** Where the header ends. @throws BadFile, NewerFormat */
export function endOfHeader(magic: string, version: number, file: Buffer): number {
  if (file.length < PREAMBLE_BYTES) throw new BadFile(`is only ${file.length} bytes long`, true);
  if (file.toString("latin1", 0, MAGIC_BYTES) !== magic)
    throw new BadFile("does not begin like one of our files", isZero(file));
  const found = file.readUInt16LE(MAGIC_BYTES);
  if (found > version) throw new NewerFormat(found, version);
  if (found < 1) throw new BadFile("has format version 0");
  const length = file.readUInt32LE(MAGIC_BYTES + 2);
  if (length > MAX_HEADER_BYTES) throw new BadFile(`says its header has ${length} bytes`);
  if (file.length < PREAMBLE_BYTES + length) throw new BadFile("ends within its header", true);
  return PREAMBLE_BYTES + length;
}

/** The header as JSON; only after the checksum over it was compared. @throws BadFile */
export function headerJson(file: Buffer, end: number): unknown {
  try {
    return JSON.parse(file.toString("utf8", PREAMBLE_BYTES, end));
  } catch (error) {
    throw new BadFile(`header is not JSON: ${error instanceof Error ? error.message : error}`);
  }
}

/** The same memory as a Buffer, for its readers and writers of numbers. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

type Json = { readonly [key: string]: unknown };

/** Reads fields of a header with their types. @throws BadFile */
export class HeaderReader {
  private readonly json: Json;

  constructor(value: unknown) {
    if (typeof value !== "object" || value === null) throw new BadFile("header is not an object");
    this.json = { ...value };
  }

  raw(key: string): unknown {
    return this.json[key];
  }

  text(key: string): string {
    const value = this.json[key];
    if (typeof value !== "string") throw new BadFile(`header has no text "${key}"`);
    return value;
  }

  count(key: string): number {
    const value = this.json[key];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
      throw new BadFile(`header has no count "${key}"`);
    return value;
  }

  nested(key: string): HeaderReader {
    return new HeaderReader(this.json[key]);
  }
}
