import {
  type Attached,
  type ClientLimits,
  type ClientMessage,
  encodeClose,
  encodeWelcome,
  type Hello,
  type Malformed,
  RESYNC_MESSAGES,
  type UdpEndpoint,
  UpstreamKind,
} from "@atlasnet/core";
import type { CloseCode } from "@atlasnet/world";
import type { AttachmentEffect, Identity } from "./attachment-effects.ts";
import { KeptUpstream } from "./kept-upstream.ts";
import { NOTHING_RETURNED, type Returned } from "./returned.ts";
import { SessionState } from "./session-state.ts";

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
  private readonly options: AttachmentOptions;
  private readonly state = new SessionState();
  /** What the welcome is to say. */
  private unwelcomed: Attached | undefined;
  /** A resume token and the session it is for; it does not change while the session lasts. */
  private token: { session: number; resume: string } | undefined;
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

  /** Of the last hello; empty while there is none. */
  get world(): string {
    return this.state.world;
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
      !this.goodbye &&
      this.state.session !== undefined &&
      (phase === "routing" || phase === "attaching")
    );
  }

  /** The client's messages are numbered on an older timeline than the attachment's. */
  get behind(): boolean {
    return this.state.received.behind;
  }

  /** Its session, from the first welcome until it leaves. */
  get sessionId(): number | undefined {
    return this.state.session?.session;
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
    this.state.greet(hello);
    this.phase = "identifying";
    this.waitingSince = now;
    return [{ type: "identify", hello }];
  }

  identified(identity: Identity, now: number): readonly AttachmentEffect[] {
    if (this.phase !== "identifying") return NOTHING;
    this.state.identified(identity);
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
    if (this.state.session !== undefined) return this.route(now + RETRY_MS);
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
    if (this.phase !== "routing") return NOTHING;
    const message = this.state.attach();
    if (message === undefined) return NOTHING;
    this.phase = "attaching";
    return [{ type: "attach", message }];
  }

  attached(message: Attached): readonly AttachmentEffect[] {
    if (this.phase !== "attaching") return NOTHING;
    const dropped = this.state.attached(message) ? this.dropOlder() : NOTHING;
    this.refusals = 0;
    if (this.goodbye) return [...dropped, ...this.sayGoodbye()];
    if (this.token?.session === message.session)
      return [...dropped, ...this.welcome(message, this.token.resume)];
    const claims = this.state.claims(message.account);
    if (claims === undefined) return dropped;
    this.phase = "signing";
    this.unwelcomed = message;
    return [...dropped, { type: "sign", claims }];
  }

  /** What was kept for a timeline that is over; inputs are worth it on any. */
  private dropOlder(): readonly AttachmentEffect[] {
    const dropped = this.kept.dropMessages();
    return Array.from({ length: dropped }, () => ({ type: "stale" }));
  }

  signed(resume: string): readonly AttachmentEffect[] {
    const { unwelcomed } = this;
    const { session } = this.state;
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
    if (this.state.received.owed) effects.push(this.passAck());
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
    const { session, received } = this.state;
    if (session === undefined || !this.takesUpstream) return this.outOfState();
    if (timeline !== session.timeline) return STALE;
    received.acknowledge(seq, timeline);
    if (this.phase === "attached") return [this.passAck()];
    received.owed = true;
    return NOTHING;
  }

  private passAck(): AttachmentEffect {
    const { received } = this.state;
    received.owed = false;
    const item = { kind: UpstreamKind.ack, n: received.seq, index: 0, payload: NO_PAYLOAD };
    return { type: "upstream", item };
  }

  /** The newest of the client's reliable messages that the shard acknowledged. */
  get confirmed(): number {
    return this.state.appliedSeq;
  }

  /** The shard acknowledged reliable messages. */
  applied(seq: number): void {
    this.state.appliedSeq = seq;
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
    this.state.clear();
    this.unwelcomed = undefined;
    this.token = undefined;
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
