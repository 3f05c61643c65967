import type { Buffer } from "node:buffer";

const HIGH = 2 ** 32;

/** Writes an integer from 0 to 2^53 - 1 as u64; much cheaper than by way of BigInt. */
export function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % HIGH, at);
  bytes.writeUInt32LE(Math.floor(value / HIGH), at + 4);
}

/** The number may be larger than 2^53 - 1 in a damaged file; then it is not exact. */
export function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * HIGH + bytes.readUInt32LE(at);
}
