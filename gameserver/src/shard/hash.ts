/**
 * A 64-bit hash of bytes as 16 hex digits, for comparing states: two 32-bit lanes in the manner of
 * MurmurHash3 (Austin Appleby). It finds differences, it does not resist an attacker.
 */
export function hashBytes(bytes: Uint8Array): string {
  let a = 0x9747b28c;
  let b = 0x85ebca6b ^ bytes.length;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.length - (bytes.length % 4);
  for (let i = 0; i < whole; i += 4) {
    const word = view.getUint32(i, true);
    a = Math.imul(a ^ word, 0xcc9e2d51);
    a = (a << 13) | (a >>> 19);
    b = Math.imul(b ^ a ^ word, 0x1b873593);
    b = (b << 15) | (b >>> 17);
  }
  for (let i = whole; i < bytes.length; i++) {
    a = Math.imul(a ^ view.getUint8(i), 0xcc9e2d51);
    b = Math.imul(b ^ a, 0x1b873593);
  }
  return hex(finish(a ^ b)) + hex(finish(b + Math.imul(a, 5)));
}

function finish(n: number): number {
  let h = n ^ (n >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const hex = (n: number) => n.toString(16).padStart(8, "0");
