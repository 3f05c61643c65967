import type { Clock, Logger } from "@atlasnet/core";
import type { Caller } from "./route.ts";

/** One change that somebody asked for, also one that was refused. Values are never in it: they may be secret. */
export interface AuditEntry {
  /** ISO 8601, in UTC. */
  readonly when: string;
  /** Id and name of the token. */
  readonly token: string;
  readonly who: string;
  /** Address that the request came from. */
  readonly from: string;
  /** Name of the operation: `kv.put`. */
  readonly what: string;
  /** What the path and the query name: `{key: "motd"}`. */
  readonly target: { readonly [name: string]: string };
  /** `ok`, or the code of the refusal. */
  readonly result: string;
}

/** Entries kept in memory, the newest. All of them are in the log. */
export const MAX_AUDIT_ENTRIES = 1000;
/** So many of them may be of callers without a token: they shall not wash away what others did. */
export const MAX_STRANGERS_ENTRIES = 200;
/** Who asks on an open route. */
export const STRANGER: Caller = { id: "-", name: "a node", role: "read" };
/** Letters of a part of a target. */
const MAX_TARGET_LENGTH = 600;

/** The changes that were asked for at this apiserver: a line in the log each, and the newest to read. */
export class AuditLog {
  private readonly logger: Logger;
  private readonly clock: Clock;
  private readonly kept: AuditEntry[] = [];

  constructor({ logger, clock }: { logger: Logger; clock: Clock }) {
    this.logger = logger.child({ audit: true });
    this.clock = clock;
  }

  /** The newest come first. */
  get entries(): readonly AuditEntry[] {
    return this.kept.toReversed();
  }

  add(
    caller: Caller,
    { from, what, target, result }: Omit<AuditEntry, "when" | "token" | "who">,
  ): void {
    const clipped = Object.fromEntries(
      Object.entries(target).map(([name, text]) => [name, clip(text)]),
    );
    const entry: AuditEntry = {
      when: new Date(this.clock.wallTime()).toISOString(),
      token: caller.id,
      who: caller.name,
      from,
      what,
      target: clipped,
      result,
    };
    this.keep(entry);
    const { when: _, ...facts } = entry;
    this.logger.info("A change was asked for.", facts);
  }

  private keep(entry: AuditEntry): void {
    this.kept.push(entry);
    if (entry.token === STRANGER.id) {
      const strangers = this.kept.filter(({ token }) => token === STRANGER.id);
      const oldest = strangers.length > MAX_STRANGERS_ENTRIES ? strangers[0] : undefined;
      if (oldest !== undefined) this.kept.splice(this.kept.indexOf(oldest), 1);
    }
    if (this.kept.length > MAX_AUDIT_ENTRIES) this.kept.shift();
  }
}

/** A copy: a slice would keep the whole text in memory that it is a part of, the body of a request, say. */
function clip(text: string): string {
  return text.length <= MAX_TARGET_LENGTH
    ? text
    : Buffer.from(text.slice(0, MAX_TARGET_LENGTH)).toString();
}
