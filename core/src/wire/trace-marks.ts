import { ByteReader, ByteWriter, DecodeError, hexOf } from "@atlasnet/world";

/**
 * Which reliable messages of an upstream batch are traced, and as part of which trace: the field
 * `trace` of `upstream`.
 *
 * ```
 * marks = mark{1,16}
 * mark  = varint attach, varint n, 16 bytes trace id, 8 bytes span id
 * ```
 * A mark is about the message entry with its attach and n. There may be none: a mark promises nothing.
 */
export interface TraceMark {
  readonly attach: number;
  /** Number of the client's message. */
  readonly n: number;
  /** 32 hexadecimal digits in lower case, not all 0, as OpenTelemetry has them. */
  readonly traceId: string;
  /** The span that the next one belongs under: 16 hexadecimal digits, not all 0. */
  readonly spanId: string;
}

/** Marks of one batch; messages past it travel without. With the longest numbers they take 640 bytes. */
export const MAX_TRACE_MARKS = 16;

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/** @throws RangeError for no marks, more than MAX_TRACE_MARKS, or an id that is not of its form. */
export function encodeTraceMarks(marks: readonly TraceMark[]): Uint8Array {
  if (marks.length === 0 || marks.length > MAX_TRACE_MARKS)
    throw new RangeError(`1 to ${MAX_TRACE_MARKS} trace marks are needed, not ${marks.length}`);
  const writer = new ByteWriter(64);
  for (const { attach, n, traceId, spanId } of marks) {
    writer.varint(attach);
    writer.varint(n);
    writeId(writer, traceId, TRACE_ID_BYTES);
    writeId(writer, spanId, SPAN_ID_BYTES);
  }
  return writer.finish();
}

/** Reads the marks of a batch, whatever the bytes. @throws DecodeError */
export function decodeTraceMarks(bytes: Uint8Array): TraceMark[] {
  const reader = new ByteReader(bytes);
  const marks: TraceMark[] = [];
  do {
    if (marks.length === MAX_TRACE_MARKS)
      throw new DecodeError(`more than ${MAX_TRACE_MARKS} trace marks`);
    marks.push({
      attach: reader.varint(),
      n: reader.varint(),
      traceId: readId(reader, TRACE_ID_BYTES),
      spanId: readId(reader, SPAN_ID_BYTES),
    });
  } while (reader.remaining > 0);
  return marks;
}

function writeId(writer: ByteWriter, id: string, bytes: number): void {
  if (id.length !== 2 * bytes || !/^[0-9a-f]+$/.test(id) || /^0+$/.test(id))
    throw new RangeError(`a trace mark needs an id of ${2 * bytes} hexadecimal digits, not 0`);
  for (let i = 0; i < id.length; i += 2) writer.u8(Number.parseInt(id.slice(i, i + 2), 16));
}

function readId(reader: ByteReader, bytes: number): string {
  const id = reader.raw(bytes);
  if (id.every((byte) => byte === 0)) throw new DecodeError("a trace mark's id is 0");
  return hexOf(id);
}
