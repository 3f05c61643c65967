import { type ByteReader, type ByteWriter, DecodeError, sameBytes } from "./bytes.ts";
import { checkValue, defaultOf, type Field, quantizedSteps } from "./fields.ts";

/**
 * Codecs of packed structs (docs/protocol.md, section 2): bit fields first, then byte fields.
 * The *exact* variant, for snapshots and journals, keeps quantized numbers as float64.
 */

export type FieldList = readonly (readonly [name: string, field: Field])[];
export type StructValue = { [name: string]: unknown };

export interface StructCodec {
  readonly fields: FieldList;
  /** Writes a value whose fields were checked (see `check`). */
  encode(writer: ByteWriter, value: StructValue): void;
  /** @throws DecodeError for bytes that no encoder writes. */
  decode(reader: ByteReader): StructValue;
  /** Like `decode`, but overwrites the fields of a value there is. */
  decodeInto(reader: ByteReader, value: StructValue): void;
  /** True when both values have the same bytes on the wire. */
  same(a: StructValue, b: StructValue): boolean;
  /** A full struct from a partial one. @throws FieldError */
  check(value: StructValue, path: string): StructValue;
}

/** One field as an unsigned number of `bits` bits. */
interface BitField {
  name: string;
  bits: number;
  /** Highest number that stands for a value. */
  top: number;
  toNumber(value: unknown): number;
  fromNumber(n: number): unknown;
}

interface ByteField {
  name: string;
  write(writer: ByteWriter, value: unknown): void;
  read(reader: ByteReader): unknown;
  same(a: unknown, b: unknown): boolean;
}

export function compileStruct(fields: FieldList, options: { exact?: boolean } = {}): StructCodec {
  const bitFields: BitField[] = [];
  const byteFields: ByteField[] = [];
  for (const [name, field] of fields) {
    const bit = bitField(name, field, options.exact ?? false);
    if (bit !== undefined) bitFields.push(bit);
    else byteFields.push(byteField(name, field, options.exact ?? false));
  }
  const known = new Set(fields.map(([name]) => name));
  const decodeInto = (reader: ByteReader, value: StructValue): void => {
    readBits(reader, bitFields, value);
    for (const field of byteFields) value[field.name] = field.read(reader);
  };
  return {
    fields,
    encode(writer, value) {
      writeBits(writer, bitFields, value);
      for (const field of byteFields) field.write(writer, value[field.name]);
    },
    decode(reader) {
      // Keys are made in the definition's order, so that all values of a struct share one shape.
      const value: StructValue = {};
      for (const [name] of fields) value[name] = undefined;
      decodeInto(reader, value);
      return value;
    },
    decodeInto,
    same(a, b) {
      for (const field of bitFields) {
        const name = field.name;
        if (a[name] !== b[name] && field.toNumber(a[name]) !== field.toNumber(b[name]))
          return false;
      }
      for (const field of byteFields) {
        if (!field.same(a[field.name], b[field.name])) return false;
      }
      return true;
    },
    check(value, path) {
      const full: StructValue = {};
      for (const [name, field] of fields) {
        const given = value[name];
        full[name] =
          given === undefined ? defaultOf(field) : checkValue(field, given, `${path}.${name}`);
      }
      for (const name in value) {
        if (!known.has(name)) checkUnknown(path, name, known);
      }
      return full;
    },
  };
}

function checkUnknown(path: string, name: string, known: Set<string>): never {
  const names = [...known].join(", ") || "none";
  throw new TypeError(`${path} has no field "${name}". Its fields: ${names}.`);
}

/** Binary digits of n; 0 for 0. */
function bitsOf(n: number): number {
  return 32 - Math.clz32(n);
}

function bitField(name: string, field: Field, exact: boolean): BitField | undefined {
  switch (field.kind) {
    case "bool":
      return { name, bits: 1, top: 1, toNumber: (v) => (v === true ? 1 : 0), fromNumber: Boolean };
    case "uint":
      return {
        name,
        bits: bitsOf(field.max),
        top: field.max,
        toNumber: Number,
        fromNumber: (n) => n,
      };
    case "int": {
      const { min, max } = field;
      const toNumber = (v: unknown) => Number(v) - min;
      return {
        name,
        bits: bitsOf(max - min),
        top: max - min,
        toNumber,
        fromNumber: (n) => n + min,
      };
    }
    case "quantized": {
      if (exact) return undefined;
      const { min, step } = field;
      const top = quantizedSteps(field);
      // Clamped: max need not be a whole number of steps away from min.
      const toNumber = (v: unknown) => Math.min(top, Math.round((Number(v) - min) / step));
      const fromNumber = (n: number) => min + n * step;
      return { name, bits: bitsOf(top), top, toNumber, fromNumber };
    }
    case "enum": {
      const { values } = field;
      const top = values.length - 1;
      const toNumber = (v: unknown) => values.indexOf(String(v));
      return { name, bits: bitsOf(top), top, toNumber, fromNumber: (n) => values[n] };
    }
    default:
      return undefined;
  }
}

function writeBits(writer: ByteWriter, fields: readonly BitField[], value: StructValue): void {
  let byte = 0;
  let used = 0;
  for (const field of fields) {
    let rest = field.toNumber(value[field.name]);
    let left = field.bits;
    while (left > 0) {
      const room = 8 - used;
      const taken = Math.min(left, room);
      const size = 1 << taken;
      byte |= (rest % size) << used;
      rest = Math.floor(rest / size);
      used += taken;
      left -= taken;
      if (used === 8) {
        writer.u8(byte);
        byte = 0;
        used = 0;
      }
    }
  }
  if (used > 0) writer.u8(byte);
}

function readBits(reader: ByteReader, fields: readonly BitField[], into: StructValue): void {
  let byte = 0;
  let available = 0;
  for (const field of fields) {
    let n = 0;
    let scale = 1;
    let left = field.bits;
    while (left > 0) {
      if (available === 0) {
        byte = reader.u8();
        available = 8;
      }
      const taken = Math.min(left, available);
      const size = 1 << taken;
      n += (byte % size) * scale;
      byte = byte >> taken;
      scale *= size;
      available -= taken;
      left -= taken;
    }
    if (n > field.top) throw new DecodeError(`${field.name} is out of its range`);
    into[field.name] = field.fromNumber(n);
  }
  if (byte !== 0) throw new DecodeError("padding bits are not zero");
}

const identical = (a: unknown, b: unknown) => Object.is(a, b);

function byteField(name: string, field: Field, exact: boolean): ByteField {
  switch (field.kind) {
    case "float32":
      return {
        name,
        write: (w, v) => w.f32(Number(v)),
        read: (r) => r.f32(),
        same: identical,
      };
    case "float64":
    case "quantized":
      return {
        name,
        write: (w, v) => w.f64(Number(v)),
        read: (r) => r.f64(),
        same: identical,
      };
    case "text":
      return {
        name,
        write: (w, v) => w.text(String(v)),
        read: (r) => r.text(field.maxBytes),
        same: identical,
      };
    case "bytes":
      return {
        name,
        write: (w, v) => w.block(v as Uint8Array),
        read: (r) => r.block(field.maxBytes).slice(),
        same: (a, b) => sameBytes(a as Uint8Array, b as Uint8Array),
      };
    case "ref":
      return {
        name,
        write: (w, v) => w.varint(Number(v)),
        read: (r) => r.varint(),
        same: identical,
      };
    case "list":
      return listField(name, field, exact);
    default:
      throw new Error(`${field.kind} is a bit field`);
  }
}

function listField(
  name: string,
  field: Extract<Field, { kind: "list" }>,
  exact: boolean,
): ByteField {
  const item = compileStruct([["item", field.of]], { exact });
  return {
    name,
    write(writer, value) {
      const items = value as readonly unknown[];
      writer.varint(items.length);
      for (const v of items) item.encode(writer, { item: v });
    },
    read(reader) {
      const count = reader.varint();
      if (count > field.maxLength) throw new DecodeError(`${name} has ${count} items`);
      const items: unknown[] = [];
      for (let i = 0; i < count; i++) items.push(item.decode(reader)["item"]);
      return Object.freeze(items);
    },
    same(a, b) {
      const left = a as readonly unknown[];
      const right = b as readonly unknown[];
      return (
        left === right ||
        (left.length === right.length &&
          left.every((v, i) => item.same({ item: v }, { item: right[i] })))
      );
    },
  };
}
