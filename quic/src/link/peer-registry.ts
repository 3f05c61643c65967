import type { Greeted, LinkSession } from "./link-session.ts";

interface Standing {
  readonly session: LinkSession;
  readonly boot: Uint8Array;
  /** Counted by whoever dialled. */
  readonly dial: number;
  readonly dialledByUs: boolean;
}

export type Admission =
  | {
      readonly ok: true;
      readonly generation: number;
      readonly superseded: LinkSession | undefined;
      /** The one before was of another process of that name. */
      readonly otherProcess: boolean;
    }
  | { readonly ok: false; readonly reason: string };

/**
 * One link per node: which of two stays, and how many there were.
 *
 * 1. A link from another life of the node (another boot id) takes the old one's place.
 * 2. Of two that the same process dialled, the one dialled later stays, whichever arrives first.
 * 3. Of two that both sides dialled at once, the one that the smaller node id dialled stays: both sides decide
 *    the same, whatever they see first.
 */
export class PeerRegistry {
  private readonly self: string;
  private readonly standing = new Map<string, Standing>();
  /** Of nodes whose certificate was good, so there are as many as the CA made. */
  private readonly generations = new Map<string, number>();

  constructor(self: string) {
    this.self = self;
  }

  admit(session: LinkSession, { identity, hello }: Greeted, ourDial: number): Admission {
    const { node } = identity;
    const dialledByUs = session.meeting.wanted !== undefined;
    const next: Standing = {
      session,
      boot: hello.boot,
      dial: dialledByUs ? ourDial : hello.dial,
      dialledByUs,
    };
    const old = this.standing.get(node);
    if (old !== undefined && !this.replaces(old, next, node))
      return {
        ok: false,
        reason: `node ${this.self} and node ${node} have a newer link with each other already`,
      };
    this.standing.set(node, next);
    const generation = (this.generations.get(node) ?? 0) + 1;
    this.generations.set(node, generation);
    const otherProcess = old !== undefined && Buffer.compare(old.boot, next.boot) !== 0;
    return { ok: true, generation, superseded: old?.session, otherProcess };
  }

  /** The session is over. */
  forget(session: LinkSession): void {
    const { node } = session;
    if (node !== undefined && this.standing.get(node)?.session === session)
      this.standing.delete(node);
  }

  private replaces(old: Standing, next: Standing, node: string): boolean {
    if (Buffer.compare(old.boot, next.boot) !== 0) return true;
    if (old.dialledByUs === next.dialledByUs) return next.dial > old.dial;
    const dialler = next.dialledByUs ? this.self : node;
    return dialler === (this.self < node ? this.self : node);
  }
}
