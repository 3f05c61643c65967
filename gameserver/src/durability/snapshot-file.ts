import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import {
  asBuffer,
  BadFile,
  encodeBeginning,
  endOfHeader,
  HeaderReader,
  headerJson,
} from "@atlasnet/core/system";
import { type DefinitionData, parseDefinition } from "@atlasnet/world";

/** What a snapshot says about itself. */
export interface SnapshotHeader {
  world: string;
  shard: string;
  module: { name: string; version: string };
  /** The full definition the state was written under; see migrate-schema.ts. */
  schema: DefinitionData;
  epoch: number;
  timeline: number;
  /** The state is the one after this tick. */
  tick: number;
  /** Milliseconds since 1970, by the clock on the wall. */
  createdAtMs: number;
}

export interface Snapshot {
  header: SnapshotHeader;
  state: Uint8Array;
}

/**
 * The snapshot file:
 *
 *     beginning  magic "ATLSNAP\n", format version 1, JSON header (file-format.ts)
 *     state      as many bytes as the header's `stateBytes`, opaque here
 *     u32        CRC-32 of everything before it
 *
 * The file appears under its name only when it is whole and synced (atomic-write.ts).
 */
const MAGIC = "ATLSNAP\n";
const VERSION = 1;
const CRC_BYTES = 4;
const PIECE_BYTES = 1024 * 1024;

/**
 * The file in pieces to be written one after another; the state is not copied. The checksum is taken
 * as the pieces are, so a large state does not hold up the ticks of its thread in one go.
 */
export function* encodeSnapshot(header: SnapshotHeader, state: Uint8Array): Generator<Uint8Array> {
  const beginning = encodeBeginning(MAGIC, VERSION, { ...header, stateBytes: state.length });
  yield beginning;
  let crc = crc32(beginning);
  for (let at = 0; at < state.length; at += PIECE_BYTES) {
    const piece = state.subarray(at, at + PIECE_BYTES);
    crc = crc32(piece, crc);
    yield piece;
  }
  const end = Buffer.alloc(CRC_BYTES);
  end.writeUInt32LE(crc);
  yield end;
}

/** The state is a view into `bytes`. @throws BadFile, NewerFormat */
export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  const file = asBuffer(bytes);
  const stateAt = endOfHeader(MAGIC, VERSION, file);
  const crcAt = file.length - CRC_BYTES;
  if (crcAt < stateAt) throw new BadFile("ends before its checksum", true);
  if (crc32(file.subarray(0, crcAt)) !== file.readUInt32LE(crcAt))
    throw new BadFile("does not match its checksum");
  const reader = new HeaderReader(headerJson(file, stateAt));
  if (reader.count("stateBytes") !== crcAt - stateAt)
    throw new BadFile(`holds ${crcAt - stateAt} bytes of state, its header says otherwise`);
  const module = reader.nested("module");
  const header: SnapshotHeader = {
    world: reader.text("world"),
    shard: reader.text("shard"),
    module: { name: module.text("name"), version: module.text("version") },
    schema: schemaOf(reader.raw("schema")),
    epoch: reader.count("epoch"),
    timeline: reader.count("timeline"),
    tick: reader.count("tick"),
    createdAtMs: reader.count("createdAtMs"),
  };
  return { header, state: bytes.subarray(stateAt, crcAt) };
}

function schemaOf(value: unknown): DefinitionData {
  try {
    return parseDefinition(value);
  } catch (error) {
    throw new BadFile(`schema: ${error instanceof Error ? error.message : error}`);
  }
}
