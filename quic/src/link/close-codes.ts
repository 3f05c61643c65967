import { clipText, type LinkClosed } from "@atlasnet/core";
import type { QuicCloseReason } from "../transport/quic-connection.ts";

/** Application error codes of QUIC with which links end (docs/links.md). Never given another meaning. */
export const CloseNumber = {
  closed: 0,
  peerGone: 1,
  overflow: 2,
  badMessage: 3,
  refused: 4,
  /** A newer link with the same node took this one's place. */
  superseded: 5,
} as const;

/** Most bytes of a reason in UTF-8. */
export const MAX_DETAIL_BYTES = 512;

const numbers: { readonly [K in LinkClosed["code"]]: number } = {
  closed: CloseNumber.closed,
  "peer-gone": CloseNumber.peerGone,
  overflow: CloseNumber.overflow,
  "bad-message": CloseNumber.badMessage,
  refused: CloseNumber.refused,
};

export function closeNumber(code: LinkClosed["code"]): number {
  return numbers[code];
}

/** A reason as both sides will know it: its detail clipped, and absent when it is empty. */
export function clippedReason({ code, detail }: LinkClosed): LinkClosed {
  if (detail === undefined || detail === "") return { code };
  return { code, detail: clipText(detail, MAX_DETAIL_BYTES) };
}

/**
 * QUIC's own errors (RFC 9000, section 20.1) that say that one side broke the protocol: flow control,
 * stream limit, stream state, final size, frame encoding, transport parameter, protocol violation.
 */
const VIOLATIONS: ReadonlySet<number> = new Set([3, 4, 5, 6, 7, 8, 0x0a]);

/** QUIC's code for an alert of TLS is this and the alert's number. */
const TLS_ALERTS = 0x100;

/** The alerts that a misconfigured or foreign peer meets (RFC 8446, section 6). */
const ALERTS: ReadonlyMap<number, string> = new Map([
  [40, "nothing in common to speak with: other software?"],
  [51, "the key is not that of the certificate"],
  [70, "not TLS 1.3: other software?"],
  [116, "no certificate was shown"],
  [120, "no link of AtlasNet: other software?"],
]);

function alertText(alert: number): string {
  return `${alert}: ${ALERTS.get(alert) ?? "a bad certificate, or other software"}`;
}

/** Why a link is gone, from why its connection is. */
export function linkClosedBy({ by, code, reason }: QuicCloseReason): LinkClosed {
  switch (by) {
    case "self":
    case "peer":
      return clippedReason(fromNumber(code, reason));
    case "idle":
      return { code: "peer-gone", detail: "nothing was heard from the peer (idle timeout)" };
    case "unreachable":
      return { code: "peer-gone", detail: reason === "" ? "no answer" : reason };
    case "transport":
      if (code >= TLS_ALERTS && code < TLS_ALERTS + 256)
        return clippedReason({
          code: "refused",
          detail: `TLS alert ${alertText(code - TLS_ALERTS)} (${reason})`,
        });
      return clippedReason({
        code: VIOLATIONS.has(code) ? "bad-message" : "peer-gone",
        detail: `QUIC error ${code}${reason === "" ? "" : `: ${reason}`}`,
      });
  }
}

function fromNumber(number: number, detail: string): LinkClosed {
  for (const code of Object.keys(numbers) as (keyof typeof numbers)[])
    if (numbers[code] === number) return { code, detail };
  if (number === CloseNumber.superseded) return { code: "peer-gone", detail };
  return {
    code: "peer-gone",
    detail: `the peer closed with the unknown code ${number}: ${detail}`,
  };
}
