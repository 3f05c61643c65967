import type { NativeConnection } from "./binding.ts";
import type { QuicCloseReason } from "./quic-connection.ts";

/** Longest reason sent or shown, bytes of UTF-8. */
export const MAX_REASON_BYTES = 512;

/** QUIC's own codes (RFC 9000, section 20.1) that we send. */
export const INTERNAL_ERROR = 1;
export const CONNECTION_REFUSED = 2;
export const PROTOCOL_VIOLATION = 10;

/** QUIC and TLS end connections without a word: these at least say which side did. */
const TOLD_BY_PEER = "the other side ended it";
const FOUND_HERE = "this side ended it: the peer broke the rules of QUIC or TLS";

/** A reason as bytes, clipped between two characters. */
export function encodeReason(reason: string): Uint8Array {
  const bytes = new Uint8Array(MAX_REASON_BYTES);
  return bytes.subarray(0, new TextEncoder().encodeInto(reason, bytes).written);
}

/** What a peer wrote; anything may stand there. */
function decodeReason(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, MAX_REASON_BYTES));
}

/** Why a connection that we did not close has ended, as the QUIC layer tells it. */
export function nativeReason(native: NativeConnection, established: boolean): QuicCloseReason {
  const peer = native.peerError();
  if (peer !== null) {
    const { isApp, errorCode, reason } = peer;
    if (isApp) return { by: "peer", code: errorCode, reason: decodeReason(reason) };
    return { by: "transport", code: errorCode, reason: decodeReason(reason) || TOLD_BY_PEER };
  }
  const local = native.localError();
  if (local !== null) {
    const reason = decodeReason(local.reason) || FOUND_HERE;
    return { by: "transport", code: local.errorCode, reason };
  }
  if (!established) return { by: "unreachable", code: 0, reason: "no answer to the first packets" };
  if (native.isTimedOut())
    return { by: "idle", code: 0, reason: "nothing heard for the idle timeout" };
  // By a stateless reset.
  return {
    by: "transport",
    code: 0,
    reason: "the peer does not know this connection any more: it was started again, or closed it",
  };
}
