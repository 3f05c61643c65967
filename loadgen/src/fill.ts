import type { PseudoRandom } from "@atlasnet/core";
import type { Field, FieldList, StructValue } from "@atlasnet/world";

/** Texts and byte strings are at most so long, lists of at most so many: what players usually send. */
const MAX_FILLED_BYTES = 16;
const MAX_FILLED_ITEMS = 4;
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** A struct that its world accepts: every field with a value of its type and range, chosen at random. */
export function fillStruct(fields: FieldList, random: PseudoRandom): StructValue {
  return Object.fromEntries(fields.map(([name, field]) => [name, fillField(field, random)]));
}

function fillField(field: Field, random: PseudoRandom): unknown {
  switch (field.kind) {
    case "bool":
      return random.float() < 0.5;
    case "uint":
      return random.int(0, field.max);
    case "int":
      return random.int(field.min, field.max);
    case "quantized": {
      const { min, max, step } = field;
      return Math.min(max, min + random.int(0, Math.round((max - min) / step)) * step);
    }
    case "enum":
      return field.values[random.int(0, field.values.length - 1)];
    case "float32":
    case "float64":
      return Math.fround(random.float() * 2 - 1);
    case "text":
      return Array.from({ length: lengthUpTo(field.maxBytes, MAX_FILLED_BYTES, random) }, () =>
        LETTERS.charAt(random.int(0, LETTERS.length - 1)),
      ).join("");
    case "bytes":
      return Uint8Array.from({ length: lengthUpTo(field.maxBytes, MAX_FILLED_BYTES, random) }, () =>
        random.int(0, 255),
      );
    case "ref":
      // What entities there are, no generator knows.
      return 0;
    case "list":
      return Array.from({ length: lengthUpTo(field.maxLength, MAX_FILLED_ITEMS, random) }, () =>
        fillField(field.of, random),
      );
  }
}

function lengthUpTo(allowed: number, most: number, random: PseudoRandom): number {
  return random.int(1, Math.min(allowed, most));
}

/** Values made beforehand and handed out in turn: making them costs nothing while load is made. */
export class FilledStructs {
  private readonly values: readonly StructValue[];
  private at = 0;

  constructor(fields: FieldList, count: number, random: PseudoRandom) {
    this.values = Array.from({ length: Math.max(1, count) }, () => fillStruct(fields, random));
  }

  next(): StructValue {
    const value = this.values[this.at] ?? {};
    this.at = (this.at + 1) % this.values.length;
    return value;
  }
}
