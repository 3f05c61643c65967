import type { Clock, LinkClosed, LinkLimits, LinkStats, Timer } from "@atlasnet/core";
import type { PeerIdentity, VerifyPeer } from "@atlasnet/identity";
import type {
  QuicCloseReason,
  QuicConnection,
  QuicConnectionEvents,
} from "../transport/quic-connection.ts";
import { clippedReason, closeNumber, linkClosedBy } from "./close-codes.ts";
import { ControlFrame, greetingFrame } from "./control-frames.ts";
import type { FrameSink } from "./frame-reader.ts";
import { decodeHello, decodeWelcome, encodeHello, encodeWelcome, type Hello } from "./greeting.ts";
import { Incoming, type IncomingSink } from "./incoming.ts";
import { Outgoing } from "./outgoing.ts";
import { judgeCertificate, judgeHello, type Meeting } from "./peer-judge.ts";
import { QuicLink } from "./quic-link.ts";

export interface LinkSessionOptions {
  readonly meeting: Meeting;
  /** What we say first. */
  readonly hello: Hello;
  readonly limits: LinkLimits;
  readonly bulkBytesPerSecond: number;
  /** From the connection's first packet to the open link. */
  readonly handshakeTimeoutMs: number;
}

export interface LinkSessionDependencies {
  readonly connection: QuicConnection;
  readonly verifyPeer: VerifyPeer;
  /** Unix time in ms. */
  readonly now: () => number;
  readonly clock: Clock;
  readonly stats: LinkStats;
  readonly scratch: Uint8Array;
  readonly soon: (callback: () => void) => void;
  readonly fault: (error: unknown) => void;
  readonly owner: SessionOwner;
}

/** What a session tells whoever made it; each at most once, `ended` last. */
export interface SessionOwner {
  /** The peer is who it should be and speaks a version of ours: its number, or why there is no room for it. */
  admit(session: LinkSession, greeted: Greeted): { generation: number } | { refusal: string };
  opened(session: LinkSession, link: QuicLink): void;
  /** `byUs` is true when this side refused or gave up. */
  ended(session: LinkSession, reason: LinkClosed, byUs: boolean): void;
}

/** What is known of a peer once its hello was found good. */
export interface Greeted {
  readonly identity: PeerIdentity;
  readonly hello: Hello;
  readonly version: number;
}

/**
 * One connection from its first packet to its end: certificate, greetings, link.
 *
 * 1. Nothing of the peer is looked at before its certificate was found good.
 * 2. The link opens when the peer's hello was found good here and ours was there: its welcome says so, or
 *    what it sends on its channels, for it sends nothing there before its own link is open.
 */
export class LinkSession implements QuicConnectionEvents, IncomingSink {
  readonly meeting: Meeting;
  private readonly options: LinkSessionOptions;
  private readonly deps: LinkSessionDependencies;
  private readonly outgoing: Outgoing;
  private readonly incoming: Incoming;
  private readonly deadline: Timer;
  private identity: PeerIdentity | undefined;
  private greeted: Greeted | undefined;
  private generation = 0;
  private link: QuicLink | undefined;
  private over = false;

  constructor(options: LinkSessionOptions, dependencies: LinkSessionDependencies) {
    this.meeting = options.meeting;
    this.options = options;
    this.deps = dependencies;
    this.outgoing = new Outgoing(options, dependencies);
    this.incoming = new Incoming(this);
    const { handshakeTimeoutMs } = options;
    this.deadline = dependencies.clock.setTimer(handshakeTimeoutMs, () => {
      const what = this.identity === undefined ? "no answer" : "the handshake was not done";
      this.endFor({ code: "peer-gone", detail: `${what} within ${handshakeTimeoutMs} ms` });
    });
  }

  /** Whom the peer's certificate names, once it was found good. */
  get node(): string | undefined {
    return this.identity?.node;
  }

  /** Ends the session and its link, from this side. */
  close(number: number, reason: LinkClosed): void {
    if (this.over) return;
    const { link, deps } = this;
    this.finish(reason, true);
    if (link === undefined) deps.connection.close(number, reason.detail ?? "");
    else link.closeWith(number, reason);
  }

  // What the connection tells.

  established(): void {
    if (this.over) return;
    const { verifyPeer, now, connection } = this.deps;
    const verdict = judgeCertificate(connection.peerCertificates, this.meeting, {
      verifyPeer,
      now: now(),
    });
    if (!verdict.ok) {
      this.refuse(verdict.reason);
      return;
    }
    this.identity = verdict.value;
    this.outgoing.greet(greetingFrame(ControlFrame.hello, encodeHello(this.options.hello)));
  }

  stream(stream: number, bytes: Uint8Array): void {
    if (this.over || this.identity === undefined) return;
    this.endFor(this.incoming.push(stream, bytes));
  }

  streamEnded(_stream: number): void {
    this.endFor({ code: "bad-message", detail: "the peer ended one of its streams" });
  }

  datagram(bytes: Uint8Array): void {
    if (this.over) return;
    // Before the link is open they are lost, as any datagram may be.
    if (this.link === undefined) this.deps.stats.droppedDatagrams += 1;
    else this.endFor(this.link.datagram(bytes));
  }

  turn(): void {
    if (this.over) return;
    if (this.link === undefined) this.outgoing.flush();
    else this.link.turn();
  }

  writable(): void {
    if (!this.over) this.outgoing.writable();
  }

  closed(reason: QuicCloseReason): void {
    if (this.over) return;
    const closed = linkClosedBy(reason);
    const { link } = this;
    this.finish(closed, false);
    link?.end(closed);
  }

  // What the peer's streams carry.

  hello(body: Uint8Array): LinkClosed | undefined {
    const { identity, meeting } = this;
    if (identity === undefined || this.greeted !== undefined)
      return { code: "bad-message", detail: "a second hello" };
    const read = decodeHello(body);
    if (!read.ok) return { code: "bad-message", detail: `hello: ${read.problem}` };
    const verdict = judgeHello(read.value, identity, meeting);
    if (!verdict.ok) return { code: "refused", detail: verdict.reason };
    const version = verdict.value;
    this.greeted = { identity, hello: read.value, version };
    const admission = this.deps.owner.admit(this, this.greeted);
    if ("refusal" in admission) return { code: "refused", detail: admission.refusal };
    this.generation = admission.generation;
    this.outgoing.greet(greetingFrame(ControlFrame.welcome, encodeWelcome({ version })));
    return undefined;
  }

  welcome(body: Uint8Array): LinkClosed | undefined {
    const { greeted } = this;
    if (greeted === undefined) return { code: "bad-message", detail: "welcome before hello" };
    const read = decodeWelcome(body);
    if (!read.ok) return { code: "bad-message", detail: `welcome: ${read.problem}` };
    if (read.value.version !== greeted.version)
      return {
        code: "bad-message",
        detail: `welcome to version ${read.value.version}, the hellos say ${greeted.version}`,
      };
    this.open(greeted);
    return undefined;
  }

  taken(number: number, cost: number): LinkClosed | undefined {
    // Reports concern what we sent, and so come after the welcome on the same stream.
    if (this.link === undefined) return { code: "bad-message", detail: "credit before welcome" };
    return this.link.taken(number, cost);
  }

  channels(): FrameSink | LinkClosed {
    if (this.greeted === undefined) return { code: "bad-message", detail: "messages before hello" };
    return this.open(this.greeted).channelSink();
  }

  private open(greeted: Greeted): QuicLink {
    if (this.link !== undefined) return this.link;
    this.deadline.cancel();
    const { limits } = this.options;
    const { deps, outgoing, generation } = this;
    const { identity, hello, version } = greeted;
    const link = new QuicLink(
      {
        peer: { role: identity.role, node: identity.node },
        generation,
        version,
        limits,
        sendLimits: {
          ...limits,
          maxQueuedBytes: Math.min(limits.maxQueuedBytes, hello.maxQueuedBytes),
          maxChannels: Math.min(limits.maxChannels, hello.maxChannels),
          maxDatagramBytes: Math.min(limits.maxDatagramBytes, hello.maxDatagramBytes),
        },
      },
      { ...deps, outgoing },
    );
    this.link = link;
    void link.closed.then((reason) => this.finish(reason, true));
    deps.owner.opened(this, link);
    return link;
  }

  private refuse(detail: string): void {
    this.endFor({ code: "refused", detail });
  }

  private endFor(problem: LinkClosed | undefined): void {
    if (problem === undefined) return;
    this.close(closeNumber(problem.code), clippedReason(problem));
  }

  /** The session is over; the link's own end is up to whoever calls. */
  private finish(reason: LinkClosed, byUs: boolean): void {
    if (this.over) return;
    this.over = true;
    this.deadline.cancel();
    this.incoming.end();
    this.outgoing.end();
    this.deps.owner.ended(this, reason, byUs);
  }
}
