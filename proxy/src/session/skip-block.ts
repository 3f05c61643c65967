import { MAX_BLOCK_BYTES } from "@atlasnet/core";
import { type ByteReader, DecodeError } from "@atlasnet/world";

/** Reads past a block and returns where its bytes begin. @throws DecodeError when it is too large or not all there. */
export function skipBlock(reader: ByteReader): number {
  const length = reader.varint();
  const start = reader.offset;
  if (length > MAX_BLOCK_BYTES || length > reader.remaining)
    throw new DecodeError(`block of ${length} bytes, ${reader.remaining} left`);
  reader.offset = start + length;
  return start;
}
