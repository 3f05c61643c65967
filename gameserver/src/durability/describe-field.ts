import type { Field } from "@atlasnet/world";

/** Most words of an enum that a message lists. */
const MAX_WORDS = 8;

/** A field's type as a person would write it, for messages: `uint up to 100`, `list of text`. */
export function describeField(field: Field): string {
  switch (field.kind) {
    case "uint":
      return `uint up to ${field.max}`;
    case "int":
      return `int from ${field.min} to ${field.max}`;
    case "quantized":
      return `quantized from ${field.min} to ${field.max} in steps of ${field.step}`;
    case "enum": {
      const more = field.values.length > MAX_WORDS ? ", …" : "";
      return `one of ${field.values.slice(0, MAX_WORDS).join(", ")}${more}`;
    }
    case "text":
    case "bytes":
      return `${field.kind} of at most ${field.maxBytes} bytes`;
    case "list":
      return `list of at most ${field.maxLength}, each ${describeField(field.of)}`;
    default:
      return field.kind;
  }
}
