import {
  type Attach,
  type Attached,
  type ClientLimits,
  type ClientMessage,
  encodeClose,
  encodeWelcome,
  type Hello,
  type Malformed,
  RESYNC_MESSAGES,
  type ResumeClaims,
  type UdpEndpoint,
  UpstreamKind,
} from "@atlasnet/core";
import type { CloseCode, Plain } from "@atlasnet/world";
import { bytesOfText, textOfBytes } from "./byte-text.ts";
import { KeptUpstream } from "./kept-upstream.ts";
import { Received } from "./received.ts";
import { NOTHING_RETURNED, type Returned } from "./returned.ts";

/** Who is behind a hello: from a ticket, a resume token, or made up for a guest. */
export interface Identity {
  account: string;
  name: string;
  data: Plain;
  /** The session to return to, from a resume token. */
  session?: number;
}

export interface UpstreamItem {
  kind: UpstreamKind;
  n: number;
  index: number;
  payload: Uint8Array;
}

/** What the attachment asks of its surroundings, in order. */
export type AttachmentEffect =
  /** Find out who it is; answered by `identified` or `refused`. */
  | { type: "identify"; hello: Hello }
  /** Find the owner of the world, not before `notBefore`; answered by `routed`, `unknownWorld` or `noOwner`. */
  | { type: "route"; world: string; notBefore: number }
  | { type: "unroute" }
  /** Attach and let the shard's batches flow to the client, held back until `release`. */
  | { type: "attach"; message: Omit<Attach, "type" | "shard" | "epoch" | "attach"> }
  /** Give the attachment up; the shard hears about it. */
  | { type: "detach" }
  /** Forget the attachment; the shard knows already, or is gone. */
  | { type: "unfollow" }
  | { type: "leave" }
  | { type: "upstream"; item: UpstreamItem }
  /** What the client sent was of a timeline that is over, and is dropped. */
  | { type: "stale" }
  /** Make a resume token; answered by `signed`. */
  | { type: "sign"; claims: ResumeClaims }
  | { type: "send"; item: Uint8Array }
  | { type: "pong"; t: number }
  | { type: "release" }
  | { type: "pause" }
  | { type: "resume" }
  | { type: "close"; code: CloseCode; reason: string };

export interface AttachmentOptions {
  limits: AttachmentLimits;
  endpoints: readonly string[];
  /** Where this server takes UDP, if it does. */
  udp?: UdpEndpoint | undefined;
}

/** What clients are told, and beside it: */
export interface AttachmentLimits extends ClientLimits {
  /** Upstream kept per client while its world has no owner; past it the socket is not read. */
  attachBufferBytes: number;
  /** How long a client waits for an owner before it is closed with `world-unavailable`. */
  unavailableTimeoutMs: number;
}

export type AttachmentPhase =
  | "greeting"
  | "identifying"
  | "routing"
  | "attaching"
  | "signing"
  | "attached"
  | "leaving"
  | "ended";

/** Pause before the next try when a shard says that it has no owner here. */
export const RETRY_MS = 250;
/** The first such pause, doubled with each: one who is about to become the owner is so in a moment. */
export const FIRST_RETRY_MS = 15;

type AttachPosition = Pick<
  Attach,
  "session" | "firstUnacked" | "lastReceived" | "timeline" | "welcomed" | "params"
>;

const NO_PAYLOAD = new Uint8Array(0);
const NOTHING: readonly AttachmentEffect[] = [];
const STALE: readonly AttachmentEffect[] = [{ type: "stale" }];

/**
 * One client's way from hello to world, and back to it when the world moves. Pure: events come in as
 * calls, effects go out as data.
 *
 * 1. Everything here can be lost: after a proxy's death the client brings it back in its next hello.
 * 2. Upstream messages go out in the order they came, also those kept while there was no owner, and those
 *    that a shard gave back. Who left behind them waits until they are told.
 * 3. Nothing of a new attachment reaches the client before its welcome.
 * 4. Numbers mean something on their own timeline alone. When the world went back while the connection
 *    stayed, what was on its way is still numbered on the older one: acks of it are dropped, and messages
 *    until the client acknowledges on the new one. It sends them again, as all that it keeps.
 */
export class Attachment {
  phase: AttachmentPhase = "greeting";
  /** Of the last hello; empty while there is none. */
  world = "";
  private readonly options: AttachmentOptions;
  /** Until the shard took it in; of an idle player only what follows is kept. */
  private hello: Hello | undefined;
  /** 8 bytes each, as texts. */
  private stream = "";
  private schema: string | undefined;
  private identity: Identity | undefined;
  /** Of the last `attached`; from then on attaching anew goes back to that session. */
  private session: { readonly session: number; readonly timeline: number } | undefined;
  /** What the welcome is to say. */
  private unwelcomed: Attached | undefined;
  /** A resume token and the session it is for; it does not change while the session lasts. */
  private token: { session: number; resume: string } | undefined;
  private attempt = 0;
  private appliedSeq = 0;
  private readonly received = new Received();
  private readonly kept = new KeptUpstream();
  private paused = false;
  private waitingSince = 0;
  /** The player left, and the shard has to be told before: what is kept, and that. */
  private goodbye = false;
  /** Refusals in a row by shards that have no owner where they were looked for. */
  private refusals = 0;

  constructor(options: AttachmentOptions) {
    this.options = options;
  }

  /** True until the first welcome and again after leaving: the time for a hello is limited. */
  get awaitsHello(): boolean {
    return this.phase === "greeting";
  }

  /** What is for the world has a place now, if only to be kept for it. */
  get takesUpstream(): boolean {
    const { phase } = this;
    if (phase === "attached") return true;
    return (
      !this.goodbye && this.session !== undefined && (phase === "routing" || phase === "attaching")
    );
  }

  /** The client's messages are numbered on an older timeline than the attachment's. */
  get behind(): boolean {
    return this.received.behind;
  }

  /** Its session, from the first welcome until it leaves. */
  get sessionId(): number | undefined {
    return this.session?.session;
  }

  message(message: ClientMessage | Malformed, now: number): readonly AttachmentEffect[] {
    if (this.phase === "ended") return NOTHING;
    switch (message.type) {
      case "malformed":
        return this.end(message.code, message.reason);
      case "ping":
        return [{ type: "pong", t: message.t }];
      case "hello":
        return this.greet(message.hello, now);
      case "leave":
        return this.leave(now);
      case "message":
        if (this.behind) return STALE;
        return this.upstream(UpstreamKind.message, message.seq, message.index, message.payload);
      case "input":
        return this.upstream(UpstreamKind.input, message.n, message.index, message.payload);
      case "ack":
        return this.acknowledged(message.seq, message.timeline);
      case "resync":
        return this.upstream(UpstreamKind.resync, RESYNC_MESSAGES, 0, NO_PAYLOAD);
    }
  }

  private greet(hello: Hello, now: number): readonly AttachmentEffect[] {
    if (this.phase !== "greeting")
      return this.end("out-of-state", "a hello while an earlier one stands; leave first");
    this.hello = hello;
    this.world = hello.world;
    this.stream = textOfBytes(hello.stream);
    this.schema = hello.schema && textOfBytes(hello.schema);
    this.phase = "identifying";
    this.waitingSince = now;
    return [{ type: "identify", hello }];
  }

  identified(identity: Identity, now: number): readonly AttachmentEffect[] {
    const { hello } = this;
    if (this.phase !== "identifying" || hello === undefined) return NOTHING;
    this.identity = identity;
    this.attempt = hello.attempt;
    this.appliedSeq = Math.max(0, hello.firstUnacked - 1);
    this.received.begin(hello.lastReceived, hello.timeline);
    this.waitingSince = now;
    return this.route(now);
  }

  refused(code: CloseCode, reason: string): readonly AttachmentEffect[] {
    return this.phase === "ended" ? NOTHING : this.end(code, reason);
  }

  private route(notBefore: number): readonly AttachmentEffect[] {
    this.phase = "routing";
    return [{ type: "route", world: this.world, notBefore }];
  }

  unknownWorld(now: number): readonly AttachmentEffect[] {
    if (this.phase !== "routing") return NOTHING;
    // A world that was there a moment ago is more likely between owners than gone.
    if (this.session !== undefined) return this.route(now + RETRY_MS);
    return this.end("unknown-world", `no world named "${this.world}"`);
  }

  /** It is certain that the world gets no owner: nobody waits for it. */
  noOwner(why: "disabled" | "removed"): readonly AttachmentEffect[] {
    if (this.phase !== "routing") return NOTHING;
    return why === "removed"
      ? this.end("unknown-world", `no world named "${this.world}"`)
      : this.end("world-unavailable", `the world "${this.world}" is not to run at present`);
  }

  /** The owner is known and reachable. */
  routed(): readonly AttachmentEffect[] {
    const { identity, schema } = this;
    if (this.phase !== "routing" || identity === undefined) return NOTHING;
    const position = this.position(identity);
    if (position === undefined) return NOTHING;
    this.phase = "attaching";
    const { account, name, data } = identity;
    const message = {
      account,
      name,
      data,
      stream: bytesOfText(this.stream),
      ...(schema === undefined ? {} : { schema: bytesOfText(schema) }),
      attempt: this.attempt,
      ...position,
    };
    return [{ type: "attach", message }];
  }

  /** Where the client stands: as it said itself, and later as is known from its last attachment. */
  private position(identity: Identity): AttachPosition | undefined {
    const { hello, session } = this;
    // The same attempt: the shard takes it again from the same stream, and a client that has gone on
    // to another proxy with the next one stays ahead.
    if (session !== undefined) {
      const welcomed = session.timeline;
      const { seq: lastReceived, timeline = welcomed } = this.received;
      return {
        session: session.session,
        firstUnacked: this.appliedSeq + 1,
        lastReceived,
        timeline,
        ...(timeline === welcomed ? {} : { welcomed }),
      };
    }
    if (hello === undefined) return undefined;
    const { firstUnacked, lastReceived, timeline, params } = hello;
    return {
      ...(identity.session === undefined ? {} : { session: identity.session }),
      firstUnacked,
      lastReceived,
      ...(timeline === undefined ? {} : { timeline }),
      ...(params === undefined ? {} : { params }),
    };
  }

  attached(message: Attached): readonly AttachmentEffect[] {
    const { identity } = this;
    if (this.phase !== "attaching" || identity === undefined) return NOTHING;
    const dropped = this.wentBack(message) ? this.dropOlder() : NOTHING;
    this.received.attached(message.timeline);
    this.refusals = 0;
    this.hello = undefined;
    this.session = { session: message.session, timeline: message.timeline };
    this.attempt = message.attempt;
    this.appliedSeq = message.appliedSeq;
    if (this.goodbye) return [...dropped, ...this.sayGoodbye()];
    if (this.token?.session === message.session)
      return [...dropped, ...this.welcome(message, this.token.resume)];
    this.phase = "signing";
    this.unwelcomed = message;
    const { name, data } = identity;
    const { account, session } = message;
    return [{ type: "sign", claims: { account, world: this.world, session, name, data } }];
  }

  private wentBack({ timeline }: Attached): boolean {
    return this.session !== undefined && this.session.timeline !== timeline;
  }

  /** What was kept for a timeline that is over; inputs are worth it on any. */
  private dropOlder(): readonly AttachmentEffect[] {
    this.received.wentBack();
    const dropped = this.kept.dropMessages();
    return Array.from({ length: dropped }, () => ({ type: "stale" }));
  }

  signed(resume: string): readonly AttachmentEffect[] {
    const { session, unwelcomed } = this;
    if (session === undefined) return NOTHING;
    this.token = { session: session.session, resume };
    if (this.phase !== "signing" || unwelcomed === undefined) return NOTHING;
    this.unwelcomed = undefined;
    return this.welcome(unwelcomed, resume);
  }

  private welcome(attached: Attached, resume: string): readonly AttachmentEffect[] {
    this.phase = "attached";
    const { type: _, shard: _shard, attach: _attach, name: _name, ...facts } = attached;
    const { endpoints, udp } = this.options;
    const { maxMessageBytes, messagesPerSecond, bytesPerSecond, idleTimeoutMs } =
      this.options.limits;
    const limits = { maxMessageBytes, messagesPerSecond, bytesPerSecond, idleTimeoutMs };
    const item = encodeWelcome({ ...facts, world: this.world, resume, limits, endpoints, udp });
    // The shard knows by the numbers what of it was applied, and what has to come again.
    const kept = this.kept.take();
    const effects: AttachmentEffect[] = [{ type: "send", item }, { type: "release" }];
    if (this.received.owed) effects.push(this.passAck());
    for (const item of kept) effects.push({ type: "upstream", item });
    if (this.paused) effects.push({ type: "resume" });
    this.paused = false;
    return effects;
  }

  /** The player is not there to be welcomed. */
  private sayGoodbye(): readonly AttachmentEffect[] {
    this.goodbye = false;
    this.phase = "leaving";
    const kept = this.kept.take().map((item) => ({ type: "upstream", item }) as const);
    return [...kept, { type: "leave" }];
  }

  /** The client has all messages up to `seq`, as they are numbered on `timeline`. */
  private acknowledged(seq: number, timeline: number): readonly AttachmentEffect[] {
    const { session } = this;
    if (session === undefined || !this.takesUpstream) return this.outOfState();
    if (timeline !== session.timeline) return STALE;
    this.received.acknowledge(seq, timeline);
    if (this.phase === "attached") return [this.passAck()];
    this.received.owed = true;
    return NOTHING;
  }

  private passAck(): AttachmentEffect {
    this.received.owed = false;
    const item = { kind: UpstreamKind.ack, n: this.received.seq, index: 0, payload: NO_PAYLOAD };
    return { type: "upstream", item };
  }

  /** The newest of the client's reliable messages that the shard acknowledged. */
  get confirmed(): number {
    return this.appliedSeq;
  }

  /** The shard acknowledged reliable messages. */
  applied(seq: number): void {
    this.appliedSeq = seq;
  }

  /** The shard refused or ended the attachment. */
  shardClosed(code: CloseCode, reason: string, now: number): readonly AttachmentEffect[] {
    if (this.phase === "leaving") return [{ type: "unfollow" }, ...this.left(reason)];
    if (this.phase === "attaching" && code === "world-unavailable")
      return [{ type: "unfollow" }, ...this.route(now + this.retryPause())];
    if (this.phase !== "attaching" && this.phase !== "signing" && this.phase !== "attached")
      return NOTHING;
    return [{ type: "unfollow" }, ...this.end(code, reason)];
  }

  private retryPause(): number {
    this.refusals += 1;
    return Math.min(RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.refusals - 1, 10));
  }

  /** The link, the owner or the epoch is gone: attach anew, the socket is not touched. */
  lost(now: number, returned: Returned = NOTHING_RETURNED): readonly AttachmentEffect[] {
    const { phase } = this;
    if (phase === "leaving" && !returned.leave) return [{ type: "unfollow" }, ...this.left("")];
    if (phase === "leaving") this.goodbye = true;
    else if (phase !== "attaching" && phase !== "signing" && phase !== "attached") return NOTHING;
    if (phase === "signing" || phase === "attached") this.waitingSince = now;
    this.kept.putBack(returned.items);
    return [{ type: "unfollow" }, ...this.pauseAboveBound(), ...this.route(now)];
  }

  private pauseAboveBound(): readonly AttachmentEffect[] {
    if (this.paused || this.kept.bytes <= this.options.limits.attachBufferBytes) return NOTHING;
    this.paused = true;
    return [{ type: "pause" }];
  }

  /** Ends what takes too long: the check of a ticket, the search for an owner, a leave. */
  sweep(now: number): readonly AttachmentEffect[] {
    if (this.phase === "greeting" || this.phase === "attached" || this.phase === "ended")
      return NOTHING;
    if (now - this.waitingSince < this.options.limits.unavailableTimeoutMs) return NOTHING;
    if (this.phase === "leaving") return [{ type: "unfollow" }, ...this.left("")];
    if (this.phase === "routing" && this.goodbye) return [{ type: "unroute" }, ...this.left("")];
    if (this.phase === "identifying" || this.phase === "signing")
      return this.end("internal-error", "the server cannot check tickets right now");
    return this.end("world-unavailable", `the world "${this.world}" has no owner right now`);
  }

  private leave(now: number): readonly AttachmentEffect[] {
    if (this.goodbye) return this.outOfState();
    if (!this.kept.isEmpty) {
      this.goodbye = true;
      this.waitingSince = now;
      // The attach is answered already, and waits for a token that nobody needs.
      return this.phase === "signing" && this.unwelcomed !== undefined
        ? this.sayGoodbye()
        : NOTHING;
    }
    switch (this.phase) {
      case "attaching":
      case "attached":
      case "signing":
        this.phase = "leaving";
        this.waitingSince = now;
        return [{ type: "leave" }];
      case "routing":
        // Nobody to tell: the session ends with its grace period.
        return [{ type: "unroute" }, ...this.left("")];
      default:
        return this.end("out-of-state", "leave without a world to leave");
    }
  }

  private left(reason: string): readonly AttachmentEffect[] {
    const resume: AttachmentEffect[] = this.paused ? [{ type: "resume" }] : [];
    this.phase = "greeting";
    this.goodbye = false;
    this.hello = undefined;
    this.world = "";
    this.identity = undefined;
    this.session = undefined;
    this.unwelcomed = undefined;
    this.token = undefined;
    this.received.begin(0, undefined);
    this.kept.take();
    this.paused = false;
    return [...resume, { type: "send", item: encodeClose("left", reason) }];
  }

  private upstream(
    kind: UpstreamKind,
    n: number,
    index: number,
    payload: Uint8Array,
  ): readonly AttachmentEffect[] {
    if (this.phase === "attached") return [{ type: "upstream", item: { kind, n, index, payload } }];
    if (!this.takesUpstream) return this.outOfState();
    this.kept.add({ kind, n, index, payload });
    return this.pauseAboveBound();
  }

  private outOfState(): readonly AttachmentEffect[] {
    return this.end("out-of-state", "this message has no place before a welcome");
  }

  /** Ends the connection from this side (limits, slow consumer, shutdown). */
  end(code: CloseCode, reason: string): readonly AttachmentEffect[] {
    return [...this.disconnected(), { type: "close", code, reason }];
  }

  /** The connection is gone. */
  disconnected(): readonly AttachmentEffect[] {
    const { phase } = this;
    this.phase = "ended";
    this.kept.take();
    if (phase === "routing") return [{ type: "unroute" }];
    if (phase === "attaching" || phase === "signing" || phase === "attached")
      return [{ type: "detach" }];
    return phase === "leaving" ? [{ type: "unfollow" }] : NOTHING;
  }
}
