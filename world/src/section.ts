import { type ByteReader, DecodeError } from "./bytes.ts";
import type { StructValue } from "./codec.ts";
import type { CompiledComponent } from "./definition.ts";

/** Sections and records of state messages (docs/protocol.md, 7.1 and 7.2). */

/** Where a record's components are written to, as properties. */
export interface ComponentTarget {
  [component: string]: unknown;
}

/** Takes a section's records in, one after the other. */
export interface SectionSink {
  /** Changes follow on top of the state at tick − previous; 0: full state follows. */
  begin(previous: number): void;
  /** Returns what the components in `mask` are then written into. */
  enter(index: number, id: number, mask: number): ComponentTarget;
  update(index: number, mask: number): ComponentTarget;
  /** `destination` is the topic it moved to, if it did not go for good. */
  leave(index: number, destination: number | undefined): void;
  drop(index: number, mask: number): void;
}

/** What a nibble of a section's head cannot hold follows as a varint. */
const FOLLOWS = 15;

/** Operations of records, also of private ones. */
export const RecordOp = { update: 0, enter: 1, leave: 2, drop: 3 } as const;

/** Reads what a section's head says about the tick before it; the reader stands anywhere then. */
export function readPrevious(reader: ByteReader): number {
  const head = reader.u8();
  return (head & 15) === FOLLOWS ? reader.varint() : head & 15;
}

/**
 * Reads one section. `components` are the public ones.
 * @throws DecodeError for bytes that no server writes; what was read until then is already applied.
 */
export function readSection(
  reader: ByteReader,
  components: readonly CompiledComponent[],
  sink: SectionSink,
): void {
  const head = reader.u8();
  const previous = (head & 15) === FOLLOWS ? reader.varint() : head & 15;
  let left = head >> 4 === FOLLOWS ? reader.varint() : head >> 4;
  sink.begin(previous);
  for (; left > 0; left--) {
    const h = reader.varint();
    const m = Math.floor(h / 4);
    const index = reader.varint();
    switch (h % 4) {
      case RecordOp.update:
        checkMask(m, components);
        readComponents(reader, components, m, sink.update(index, m));
        break;
      case RecordOp.enter: {
        checkMask(m, components);
        const id = reader.varint();
        readComponents(reader, components, m, sink.enter(index, id, m));
        break;
      }
      case RecordOp.leave:
        if (m > 1) throw new DecodeError(`leave record with m = ${m}`);
        sink.leave(index, m === 1 ? reader.varint() : undefined);
        break;
      default:
        checkMask(m, components);
        sink.drop(index, m);
    }
  }
}

/** @throws DecodeError when the mask names a component that is not there. */
export function checkMask(mask: number, components: readonly CompiledComponent[]): void {
  if (mask >= 2 ** components.length)
    throw new DecodeError(`component mask ${mask} of ${components.length} components`);
}

/** Reads the structs of the components in `mask`, in place where the target has them already. */
export function readComponents(
  reader: ByteReader,
  components: readonly CompiledComponent[],
  mask: number,
  into: ComponentTarget,
): void {
  for (let rest = mask; rest !== 0; rest &= rest - 1) {
    const component = components[31 - Math.clz32(rest & -rest)];
    if (component === undefined) throw new DecodeError(`component mask ${mask}`);
    const { name, codec } = component;
    const known = into[name];
    if (known === undefined || known === null) into[name] = codec.decode(reader);
    else codec.decodeInto(reader, known as StructValue);
  }
}
