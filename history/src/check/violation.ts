/** What must never be, one name each. */
export const VIOLATIONS = [
  // Upstream.
  /** The client sent what is neither the next number nor one that it keeps. */
  "sent-out-of-order",
  /** A number stands for another message than before, or than the game's order has it. */
  "sent-changed",
  "ack-of-unsent",
  "ack-went-back",
  "ack-tick-went-back",
  /** The world says that it has applied other messages than were sent: one twice, left out, or swapped. */
  "applied-twice",
  "applied-out-of-order",
  "applied-unsent",
  /** Acknowledged, and the world has not applied it. */
  "acknowledged-not-applied",
  /** Acknowledged, and gone without a rollback. */
  "acknowledged-lost",
  // Downstream.
  "received-changed",
  "delivered-twice",
  "delivered-out-of-order",
  /** It came, was new, and the game did not get it. */
  "not-delivered",
  /** The game got what never came. */
  "delivered-unsent",
  /** Messages of the world are missing, or others, though their numbers are right. */
  "world-sent-otherwise",
  /** A message is missing for good. */
  "never-received",
  // Sessions.
  "attempt-went-back",
  "epoch-went-back",
  /** Ticks, or the server's numbers, are lower than before on the same timeline. */
  "silent-rollback",
  /** Something of a new timeline, or of a new session, before the game was told. */
  "rollback-not-told",
  "rollback-without-cause",
  "hello-position-wrong",
  /** The old session again, or anything else, after its end. */
  "after-session-lost",
  "after-close",
  "after-end",
  "session-changed",
] as const;
export type ViolationKind = (typeof VIOLATIONS)[number];

export interface Violation {
  readonly kind: ViolationKind;
  readonly client: string;
  /** Empty before the first hello. */
  readonly stream: string;
  /** Number of the message it is about; undefined when it is not about one. */
  readonly message: number | undefined;
  readonly expected: string;
  readonly seen: string;
  /** On the client's clock, in ms. */
  readonly at: number;
  /** When the message was first sent or received, in ms; undefined when that is not known any more. */
  readonly firstAt?: number | undefined;
}

/** What a part of the checker tells; the rest is known to who put the parts together. */
export interface Finding {
  readonly kind: ViolationKind;
  readonly message?: number | undefined;
  readonly expected: string;
  readonly seen: string;
  readonly firstAt?: number | undefined;
}

export type Report = (finding: Finding) => void;

/** One sentence for people. */
export function violationText(violation: Violation): string {
  const { kind, client, stream, message, expected, seen, at, firstAt } = violation;
  const about = message === undefined ? "" : `, message ${message}`;
  const first = firstAt === undefined ? "" : ` (first seen at ${time(firstAt)})`;
  return `${kind}: client ${client}, stream ${stream || "none"}${about}, at ${time(at)}${first}: expected ${expected}, seen ${seen}`;
}

function time(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
