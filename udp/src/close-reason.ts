import { MAX_REASON_BYTES } from "./limits.ts";

const encoder = new TextEncoder();

/** A reason as UTF-8, cut between characters when it is too long. */
export function closeReasonBytes(reason: string): Uint8Array {
  const bytes = new Uint8Array(MAX_REASON_BYTES);
  return bytes.subarray(0, encoder.encodeInto(reason, bytes).written);
}
