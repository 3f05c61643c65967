/**
 * A few bytes that are kept for long, as a text with one character for each: it costs 16 bytes more than it
 * holds, where a `Uint8Array` costs 200 and mostly memory of its own outside of the heap.
 */
export function textOfBytes(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** The bytes that `textOfBytes` was given. */
export function bytesOfText(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
