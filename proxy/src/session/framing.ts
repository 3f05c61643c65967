/**
 * How a transport marks where an item ends. Frames are written by the session layer itself, so that
 * everything one client gets in one tick is one buffer and one write.
 *
 * - `websocket`: an unmasked, final, binary WebSocket frame (RFC 6455);
 * - `length`: a varint with the length.
 */
export type Framing = "websocket" | "length";

/** Most bytes a frame has in front of its item. */
export const MAX_FRAME_HEAD_BYTES = 10;

const FINAL_BINARY = 0x82;

export function frameHeadBytes(framing: Framing, length: number): number {
  if (framing === "websocket") return length < 126 ? 2 : length < 0x10000 ? 4 : 10;
  let bytes = 1;
  for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

/** Writes the head of a frame at `start` and returns where the item begins. */
export function writeFrameHead(
  target: Uint8Array,
  start: number,
  framing: Framing,
  length: number,
): number {
  let at = start;
  if (framing === "length") return writeVarint(target, at, length);
  target[at++] = FINAL_BINARY;
  if (length < 126) {
    target[at++] = length;
  } else if (length < 0x10000) {
    target[at++] = 126;
    target[at++] = length >>> 8;
    target[at++] = length & 0xff;
  } else {
    target[at++] = 127;
    for (let shift = 56; shift >= 0; shift -= 8)
      target[at++] = Math.floor(length / 2 ** shift) % 256;
  }
  return at;
}

export function writeVarint(target: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    target[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  target[at++] = rest;
  return at;
}

export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

/** An item with its frame around it, in a buffer of its own. */
export function frame(framing: Framing, item: Uint8Array): Uint8Array {
  const head = frameHeadBytes(framing, item.length);
  const bytes = new Uint8Array(head + item.length);
  writeFrameHead(bytes, 0, framing, item.length);
  bytes.set(item, head);
  return bytes;
}
