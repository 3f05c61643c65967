/**
 * Walks CBOR from strangers before a decoder builds anything of it: within the bytes, within bounds,
 * and nothing but the plain subset of docs/protocol.md, section 3 (definite lengths, no tags, map
 * keys are text, integers of at most 53 bits). A decoder may then be used without further care:
 * what it allocates is in proportion to the bytes, and its recursion is bounded.
 */
export interface ScanLimits {
  /** Arrays and maps within each other; a bare value has depth 0. At most MAX_SCAN_DEPTH. */
  maxDepth: number;
  /** Values and keys in all. */
  maxItems: number;
}

export const MAX_SCAN_DEPTH = 64;

/** `entries`: how many items the outermost array, or pairs the outermost map, has. */
export type Scan = { ok: true; entries: number } | { ok: false; problem: string };

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

const Major = { uint: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6 } as const;
const FALSE = 20;
const NULL = 22;

export function scanCbor(bytes: Uint8Array, limits: ScanLimits): Scan {
  const maxDepth = Math.min(limits.maxDepth, MAX_SCAN_DEPTH);
  /** Items still to come at each level; a map counts its keys and values. */
  const left = new Array<number>(maxDepth).fill(0);
  const isMap = new Array<boolean>(maxDepth).fill(false);
  const end = bytes.length;
  let depth = 0;
  let at = 0;
  let items = 0;
  let entries = 0;
  do {
    if (at >= end) return bad("ends too early");
    items += 1;
    if (items > limits.maxItems) return bad(`more than ${limits.maxItems} values`);
    // In a map, an even number of items left means that a key is next.
    const level = depth - 1;
    const isKey = depth > 0 && isMap[level] === true && (left[level] ?? 0) % 2 === 0;
    const head = bytes[at] ?? 0;
    const major = head >> 5;
    const info = head & 31;
    at += 1;
    if (isKey && major !== Major.text) return bad("a map key that is not text");
    if (info > 27) return bad(info === 31 ? "an indefinite length" : "a reserved length form");
    const extra = info < 24 ? 0 : 1 << (info - 24);
    if (extra > end - at) return bad("ends too early");
    let value = info;
    if (extra > 0) {
      value = 0;
      for (let i = 0; i < extra; i++) value = value * 256 + (bytes[at + i] ?? 0);
      at += extra;
    }
    if (depth > 0) left[level] = (left[level] ?? 0) - 1;
    switch (major) {
      case Major.uint:
      case Major.negative:
        if (value > Number.MAX_SAFE_INTEGER - major) return bad("an integer beyond 53 bits");
        break;
      case Major.bytes:
      case Major.text:
        if (value > end - at) return bad("ends too early");
        if (major === Major.text && !isUtf8(bytes, at, at + value)) return bad("text is not UTF-8");
        at += value;
        break;
      case Major.array:
      case Major.map: {
        const count = major === Major.map ? value * 2 : value;
        // Every item takes a byte, so a longer claim cannot be true.
        if (count > end - at) return bad("ends too early");
        if (depth === 0) entries = value;
        if (depth >= maxDepth) return bad(`nested more than ${maxDepth} deep`);
        left[depth] = count;
        isMap[depth] = major === Major.map;
        depth += 1;
        break;
      }
      case Major.tag:
        return bad("a tag");
      default:
        // Major 7: false, true, null, and floats of 2, 4 and 8 bytes.
        if (extra === 0 ? info < FALSE || info > NULL : extra === 1)
          return bad("a simple value other than false, true and null");
    }
    while (depth > 0 && left[depth - 1] === 0) depth -= 1;
  } while (depth > 0);
  if (at < end) return bad(`${end - at} bytes too many`);
  return { ok: true, entries };
}

function bad(problem: string): Scan {
  return { ok: false, problem };
}

function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if ((bytes[i] ?? 0) < 0x80) continue;
    try {
      strictUtf8.decode(bytes.subarray(i, end));
      return true;
    } catch {
      // The decoder tells only by throwing.
      return false;
    }
  }
  return true;
}
