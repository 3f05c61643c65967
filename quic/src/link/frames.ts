import { CHUNK_BYTES, MAX_CHANNEL_NAME_BYTES } from "./link-bounds.ts";
import { MAX_VARINT_BYTES, writeVarint } from "./varint.ts";

/**
 * Frames of a channel stream. `number` is the sender's number of the channel, unique among those the
 * sender opened on the link; numbers and lengths are varints.
 *
 * | type | frame | then |
 * |---|---|---|
 * | 1 | open | number, bytes of the name (1 to 384), the name in UTF-8 (1 to 128 UTF-16 units) |
 * | 2 | message | number, bytes of the message (1 to 64 MiB), its first min(all, 16,384) bytes |
 * | 3 | piece | number, the next min(what is missing, 16,384) bytes of the channel's message |
 *
 * All frames of a channel are on the stream that opened it. Between the pieces of a message come
 * frames of other channels, never another message of its own.
 */
export const Frame = { open: 1, message: 2, piece: 3 } as const;

/** Longest frame without a message's bytes: `open` with the longest name. */
export const MAX_HEAD_BYTES = 1 + 2 * MAX_VARINT_BYTES + MAX_CHANNEL_NAME_BYTES;

/** Longest frame. */
export const MAX_FRAME_BYTES = MAX_HEAD_BYTES + CHUNK_BYTES;

export function writeOpen(out: Uint8Array, at: number, number: number, name: Uint8Array): number {
  let end = writeHead(out, at, Frame.open, number);
  end = writeVarint(out, end, name.length);
  out.set(name, end);
  return end + name.length;
}

/** The beginning of a message, or all of it. `total` stands in the frame of the beginning only. */
export function writePiece(
  out: Uint8Array,
  at: number,
  number: number,
  message: Uint8Array,
  offset: number,
): number {
  let end = writeHead(out, at, offset === 0 ? Frame.message : Frame.piece, number);
  if (offset === 0) end = writeVarint(out, end, message.length);
  const until = Math.min(message.length, offset + CHUNK_BYTES);
  out.set(
    offset === 0 && until === message.length ? message : message.subarray(offset, until),
    end,
  );
  return end + until - offset;
}

function writeHead(out: Uint8Array, at: number, type: number, number: number): number {
  out[at] = type;
  return writeVarint(out, at + 1, number);
}
