/** Bytes that one call makes into letters: more arguments than a call takes would be an error. */
const CALL_BYTES = 4_096;

/**
 * Bytes as a string of a letter for each, to be kept for long: a short array of bytes costs some 300 bytes beside
 * them, a string 16. It is also a copy: a slice would keep the whole message that it came in.
 */
export function packBytes(bytes: Uint8Array): string {
  let packed = "";
  for (let at = 0; at < bytes.length; at += CALL_BYTES)
    packed += String.fromCharCode(...bytes.subarray(at, at + CALL_BYTES));
  return packed;
}

export function unpackBytes(packed: string): Uint8Array {
  const bytes = new Uint8Array(packed.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = packed.charCodeAt(at);
  return bytes;
}
