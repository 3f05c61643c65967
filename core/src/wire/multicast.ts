import { ByteReader, ByteWriter, DecodeError } from "@atlasnet/world";
import { Major, readBytes, readHead, readText, readUint, writeCbor } from "./client-cbor.ts";

/**
 * What gameservers send to a multicast group (docs/multicast.md): numbered parts of topic sections as
 * CBOR, and once a second an announcement as JSON (multicast-announcement.ts).
 */

export const MULTICAST_VERSION = 1;
/** Most bytes of a datagram, so that it fits every LAN and tunnel unfragmented. */
export const MAX_MULTICAST_BYTES = 1200;
/** Most datagrams one section is cut into. */
export const MAX_SECTION_PARTS = 64;
/** Most bytes of a section, also where full state comes over TCP. */
export const MAX_SECTION_BYTES = 1024 * 1024;

const MAX_TEXT_BYTES = 64;
const MAX_TOPIC_BYTES = 128;
const SCHEMA_BYTES = 8;
const FIELDS = 11;
/** Longest head of the byte string a part is in. */
const PART_HEAD_BYTES = 3;
const NOTHING = new Uint8Array(0);

/** Which numbering of which topic a datagram belongs to. */
export interface TopicAddress {
  /** Id of the server. */
  readonly server: string;
  /** Grows whenever the numbers begin anew: a start, a changed module, a world that went back. */
  readonly run: number;
  readonly world: string;
  /** A channel's name or `cell/x,y(,z)`. */
  readonly topic: string;
  /** Schema hash of the world's definition, 8 bytes. */
  readonly schema: Uint8Array;
}

/**
 * One part of a topic's section, or with `parts` 0 nothing but the number of the last datagram: a
 * sign of life that shows losses at the end.
 */
export interface TopicDatagram extends TopicAddress {
  /** Counts the datagrams of the topic from 1; a full state bears the number it stands at. */
  readonly number: number;
  readonly tick: number;
  readonly part: number;
  readonly parts: number;
  readonly section: Uint8Array;
}

export function encodeTopicDatagram(datagram: TopicDatagram): Uint8Array {
  const writer = new ByteWriter(256);
  writeCbor(writer, [
    MULTICAST_VERSION,
    datagram.server,
    datagram.run,
    datagram.world,
    datagram.topic,
    datagram.schema,
    datagram.number,
    datagram.tick,
    datagram.part,
    datagram.parts,
    datagram.section,
  ]);
  return writer.finish();
}

/** Bytes of a section that one datagram has room for, whatever its numbers are. */
export function partRoom(address: TopicAddress): number {
  const largest = Number.MAX_SAFE_INTEGER;
  const parts = MAX_SECTION_PARTS;
  const numbers = { number: largest, tick: largest, part: parts, parts };
  const head = encodeTopicDatagram({ ...address, ...numbers, section: NOTHING }).length;
  return MAX_MULTICAST_BYTES - head - PART_HEAD_BYTES;
}

/**
 * A section as datagrams numbered from `number`, each of at most MAX_MULTICAST_BYTES bytes; undefined
 * when there would be more than MAX_SECTION_PARTS. `room` is `partRoom(address)`.
 */
export function encodeSection(
  address: TopicAddress,
  room: number,
  { number, tick, section }: { number: number; tick: number; section: Uint8Array },
): Uint8Array[] | undefined {
  const needed = Math.max(1, Math.ceil(section.length / room));
  if (needed > MAX_SECTION_PARTS) return undefined;
  return Array.from({ length: needed }, (_, part) =>
    encodeTopicDatagram({
      ...address,
      number: number + part,
      tick,
      part,
      parts: needed,
      section: section.subarray(part * room, (part + 1) * room),
    }),
  );
}

/** Reads one datagram, whatever the bytes. The section is a view into them. @throws DecodeError */
export function decodeTopicDatagram(bytes: Uint8Array): TopicDatagram {
  const reader = new ByteReader(bytes);
  const datagram = readTopicDatagram(reader);
  reader.end();
  return datagram;
}

/** Reads the items of a CBOR sequence, as the server answers with. @throws DecodeError */
export function decodeTopicSequence(bytes: Uint8Array): TopicDatagram[] {
  const reader = new ByteReader(bytes);
  const items: TopicDatagram[] = [];
  while (reader.remaining > 0) items.push(readTopicDatagram(reader));
  return items;
}

function readTopicDatagram(reader: ByteReader): TopicDatagram {
  const fields = readHead(reader, Major.array, "datagram");
  if (fields !== FIELDS) throw new DecodeError(`datagram: ${fields} fields, not ${FIELDS}`);
  const version = readUint(reader, "version");
  if (version !== MULTICAST_VERSION) throw new DecodeError(`version ${version}`);
  const datagram = {
    server: readText(reader, MAX_TEXT_BYTES, "server"),
    run: readUint(reader, "run"),
    world: readText(reader, MAX_TEXT_BYTES, "world"),
    topic: readText(reader, MAX_TOPIC_BYTES, "topic"),
    schema: readBytes(reader, SCHEMA_BYTES, "schema"),
    number: readUint(reader, "number"),
    tick: readUint(reader, "tick"),
    part: readUint(reader, "part"),
    parts: readUint(reader, "parts"),
    section: readBytes(reader, MAX_SECTION_BYTES, "section"),
  };
  const { part, parts, section, schema } = datagram;
  if (schema.length !== SCHEMA_BYTES) throw new DecodeError("schema: 8 bytes are needed");
  if (parts > MAX_SECTION_PARTS || (parts === 0 ? part > 0 || section.length > 0 : part >= parts))
    throw new DecodeError(`part ${part} of ${parts}`);
  return datagram;
}

/** True for a section with the topic's full state: its head counts nothing back. */
export function isFullSection(section: Uint8Array): boolean {
  const [head = 15] = section;
  return head % 16 === 0;
}
