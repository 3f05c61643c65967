import { type CloseCode, closeCodeOf, closeCodes } from "@atlasnet/world";

/** Refusals of a resume token after which joining anew makes sense. */
const LOST = new Set<CloseCode | undefined>(["session-lost", "unauthorized", "ticket-expired"]);

/**
 * What follows when a server closes: the same session is tried again after a while; a new one is asked
 * for, at once by who was not in the world yet, or after a while by who was; or it was the end.
 */
export type CloseVerdict = "retry" | "start-over" | "rejoin" | "end";

/** `code` is undefined for one that this client does not know. */
export function closeVerdict(
  code: CloseCode | undefined,
  session: { claimed: boolean; everJoined: boolean; rejoin: boolean; moving?: boolean },
): CloseVerdict {
  // Whether the session is really lost is for the server to say that has carried it so far.
  if (session.moving && LOST.has(code)) return "retry";
  if (session.claimed && session.everJoined && session.rejoin && LOST.has(code)) return "rejoin";
  // A token from before a reload that is good for nothing any more.
  if (session.claimed && !session.everJoined && (LOST.has(code) || code === "stale-attempt"))
    return "start-over";
  return code !== undefined && closeCodes[code].retry ? "retry" : "end";
}

/**
 * The number of a WebSocket close event, if the server chose it: a code, or unknown-code when it is none
 * of ours. Undefined when the transport did.
 */
export function serverCloseCode(
  number: number | undefined,
): CloseCode | "unknown-code" | undefined {
  if (number === undefined || number < 4000) return undefined;
  return closeCodeOf(number) ?? "unknown-code";
}
