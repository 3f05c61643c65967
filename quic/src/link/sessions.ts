import { type Clock, type Link, type LinkClosed, LinkError, type Logger } from "@atlasnet/core";
import { CloseNumber } from "./close-codes.ts";
import type { Greeted, LinkSession, SessionOwner } from "./link-session.ts";
import { PeerRegistry } from "./peer-registry.ts";
import type { QuicLink } from "./quic-link.ts";
import { RefusalLog } from "./refusal-log.ts";

/** The connections of a node and the links over them; at most one link per peer. */
export class Sessions {
  private readonly self: string;
  private readonly logger: Logger;
  /** Of all who come here. */
  readonly refusals: RefusalLog;
  private readonly registry: PeerRegistry;
  private readonly all = new Map<LinkSession, QuicLink | undefined>();

  constructor(self: string, { logger, clock }: { readonly logger: Logger; readonly clock: Clock }) {
    this.self = self;
    this.logger = logger;
    this.refusals = new RefusalLog({ clock });
    this.registry = new PeerRegistry(self);
  }

  get links(): readonly QuicLink[] {
    return [...this.all.values()].filter((link) => link !== undefined);
  }

  add(session: LinkSession): void {
    this.all.set(session, undefined);
  }

  /** `dial` is our number of it, 0 when the peer dialled. */
  admit(
    session: LinkSession,
    greeted: Greeted,
    dial: number,
  ): { generation: number } | { refusal: string } {
    const admission = this.registry.admit(session, greeted, dial);
    if (!admission.ok) return { refusal: admission.reason };
    const { node } = greeted.identity;
    const why = admission.otherProcess
      ? `another process of node ${node} has a link with node ${this.self} now: it was started again, or two processes have this node.id`
      : `a newer link between node ${this.self} and node ${node}`;
    admission.superseded?.close(CloseNumber.superseded, {
      code: "peer-gone",
      detail: `superseded: ${why}`,
    });
    return { generation: admission.generation };
  }

  opened(session: LinkSession, link: QuicLink, dial: number): void {
    this.all.set(session, link);
    const { peer, generation, version } = link;
    this.logger.info("link open", {
      peer: peer.node,
      peerRole: peer.role,
      remote: session.meeting.remote,
      generation,
      version,
      dialled: dial > 0,
    });
  }

  /** Returns whether there was a link. */
  ended(session: LinkSession, { code, detail }: LinkClosed): boolean {
    const link = this.all.get(session);
    this.all.delete(session);
    this.registry.forget(session);
    if (link === undefined) return false;
    const { peer, generation } = link;
    this.logger.info("link closed", { peer: peer.node, generation, code, reason: detail });
    return true;
  }

  closeAll(): void {
    for (const session of [...this.all.keys()])
      session.close(CloseNumber.closed, { code: "closed", detail: `node ${this.self} stops` });
  }
}

/** Of a connection that was taken in: hands out the link, or says in the log why there is none. */
export function acceptingOwner(
  sessions: Sessions,
  { logger, take }: { readonly logger: Logger; readonly take: (link: Link) => void },
): SessionOwner {
  return {
    admit: (session, greeted) => sessions.admit(session, greeted, 0),
    opened: (session, link) => {
      sessions.opened(session, link, 0);
      take(link);
    },
    ended: (session, reason, byUs) => {
      if (sessions.ended(session, reason)) return;
      const facts = { code: reason.code, reason: reason.detail };
      // The reason says which side it was.
      if (byUs || reason.code === "refused")
        sessions.refusals.warn(logger, "a link was refused", facts);
      else logger.debug("a peer went away before its link was open", facts);
    },
  };
}

/** Of a connection that was dialled: gives the link to who asked for it, or an error that says why not. */
export function diallingOwner(
  sessions: Sessions,
  asked: {
    readonly node: string;
    readonly dial: number;
    readonly resolve: (link: Link) => void;
    readonly reject: (error: LinkError) => void;
  },
): SessionOwner {
  const { node, dial, resolve, reject } = asked;
  return {
    admit: (session, greeted) => sessions.admit(session, greeted, dial),
    opened: (session, link) => {
      sessions.opened(session, link, dial);
      resolve(link);
    },
    ended: (session, reason) => {
      if (sessions.ended(session, reason)) return;
      const { code, detail = code } = reason;
      const hint = detail.startsWith("no answer")
        ? ": is it running, and does it take links there (UDP)?"
        : "";
      const text = `node ${node} at ${session.meeting.remote}: ${detail}${hint}`;
      reject(new LinkError(code === "refused" ? code : "unreachable", text, node));
    },
  };
}
