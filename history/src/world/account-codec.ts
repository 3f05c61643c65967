import { ByteWriter, type CompiledStruct, type StructValue } from "@atlasnet/world";
import { type Hash, hashMessage } from "../hash.ts";

const writer = new ByteWriter(256);

/** The hash that a client has of the same message: packing gives the same bytes on both sides. */
export function hashOf(structs: readonly CompiledStruct[], name: string, value: StructValue): Hash {
  const struct = structs.find((known) => known.name === name);
  if (struct === undefined) throw new Error(`the checker's world has no message ${name}`);
  writer.reset();
  struct.codec.encode(writer, value);
  return hashMessage(struct.index, writer.finish());
}
