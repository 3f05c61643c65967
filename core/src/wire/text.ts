const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Longer texts are counted faster by an encoder, which makes an array of what it counts. */
const LONGEST_COUNTED = 64;

/** Bytes of a text in UTF-8; half a surrogate pair counts as the replacement character. */
export function textBytes(text: string): number {
  if (text.length > LONGEST_COUNTED) return encoder.encode(text).length;
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    if (unit >= 0xd800 && unit <= 0xdfff) return encoder.encode(text).length;
    bytes += unit < 0x800 ? 1 : 2;
  }
  return bytes;
}

/**
 * The longest beginning of a text that takes at most `maxBytes` bytes in UTF-8, ending in `…` when
 * something was cut off. For reasons and notices, which worlds write and links bound.
 */
export function clipText(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes) return text;
  // A code unit takes a byte at least, so what is cut here could not have fitted.
  const bytes = encoder.encode(text.slice(0, maxBytes + 1));
  if (bytes.length <= maxBytes) return text;
  let end = Math.max(0, maxBytes - 3);
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${decoder.decode(bytes.subarray(0, end))}…`;
}
