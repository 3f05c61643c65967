import {
  type Clock,
  decodeClientMessage,
  encodeAck,
  encodeNotice,
  encodePong,
  encodeReconnect,
  encodeTransfer,
  type LogFacts,
  type Logger,
  type SecureRandom,
  type TicketKeys,
  type ToProxy,
  type UdpEndpoint,
  UpstreamKind,
} from "@atlasnet/core";
import type { CloseCode } from "@atlasnet/world";
import type { Tracer } from "@opentelemetry/api";
import type { ClientConnection, ClientEvents, SentUpdates } from "../gateway/client-connection.ts";
import type { ProxyLimits } from "../limits.ts";
import type { ProxyCounters } from "../metrics.ts";
import { Attachment } from "../session/attachment.ts";
import type { AttachmentEffect, UpstreamItem } from "../session/attachment-effects.ts";
import type { Returned } from "../session/returned.ts";
import { AttachTrace } from "./attach-trace.ts";
import type { Hub, RoutedClient } from "./hub.ts";
import { identify } from "./identify.ts";
import { Intake } from "./intake.ts";
import type { MessageTrace, MessageTracer } from "./message-tracer.ts";
import { PlayerOutput } from "./player-output.ts";
import type { ShardClient, ShardPort } from "./shard-port.ts";
import type { Stalls } from "./stalls.ts";

export interface PlayerOptions {
  limits: ProxyLimits;
  allowGuests: boolean;
  endpoints: readonly string[];
  /** Where this server takes UDP, if it does; every welcome says it. */
  udp?: UdpEndpoint | undefined;
}

export interface PlayerDependencies {
  hub: Hub;
  keys: TicketKeys;
  clock: Clock;
  random: SecureRandom;
  counters: ProxyCounters;
  logger: Logger;
  tracer: Tracer;
  tracing: MessageTracer;
  /** Of this process. */
  stalls: Pick<Stalls, "allowanceMs">;
}

/**
 * One player's connection: performs what its `Attachment` asks for. How much it may send is its `Intake`'s to say,
 * and what it gets goes through its `PlayerOutput`.
 */
export class Player implements ClientEvents, RoutedClient, ShardClient {
  private readonly connection: ClientConnection;
  private readonly options: PlayerOptions;
  private readonly dependencies: PlayerDependencies;
  private readonly attachment: Attachment;
  private readonly trace: AttachTrace;
  private readonly intake: Intake;
  private readonly output: PlayerOutput;
  /** The port that `routed` named, and the attachment made there. */
  private port: ShardPort | undefined;
  /** The shard that `port` led to last; it is named after the port is gone, too. */
  private shard: string | undefined;
  private attach = 0;
  /** Answers to questions asked for an earlier hello are not for this one. */
  private question = 0;

  constructor(
    connection: ClientConnection,
    options: PlayerOptions,
    dependencies: PlayerDependencies,
  ) {
    this.connection = connection;
    this.options = options;
    this.dependencies = dependencies;
    this.trace = new AttachTrace(dependencies.tracer, connection.transport);
    this.attachment = new Attachment(options);
    this.intake = new Intake(connection, options.limits, dependencies);
    this.output = new PlayerOutput(connection, { attachment: this.attachment, player: this });
  }

  get awaitsHello(): boolean {
    return this.attachment.awaitsHello;
  }

  get isPaused(): boolean {
    return this.intake.isPaused;
  }

  // Events of the gateway.

  message(item: Uint8Array): void {
    const { clock, counters, tracing, stalls } = this.dependencies;
    const now = clock.now();
    const stalled = stalls.allowanceMs(now);
    counters.messagesIn += 1;
    counters.bytesIn += item.length;
    const { messages, bytes } = this.intake;
    if (!messages.take(1, now, stalled)) return this.tooFast("messages");
    if (!bytes.take(item.length, now, stalled)) return this.tooFast("bytes");
    const message = decodeClientMessage(item);
    // Nearly all that comes. Nothing is decided about it, so it goes on without effects being made.
    if (this.attachment.phase === "attached") {
      if (message.type === "input") {
        const { n, index, payload } = message;
        return this.port?.upstream(this.attach, { kind: UpstreamKind.input, n, index, payload });
      }
      if (message.type === "message" && !this.attachment.behind) {
        const { seq: n, index, payload } = message;
        const item = { kind: UpstreamKind.message, n, index, payload };
        return this.port?.upstream(this.attach, item, tracing.on ? this.traced(n) : undefined);
      }
    }
    // Where inputs are not in order with the rest, one may come after the leave behind it.
    if (
      message.type === "input" &&
      this.output.updates !== undefined &&
      !this.attachment.takesUpstream
    )
      return;
    const { takesUpstream, behind } = this.attachment;
    if (tracing.on && message.type === "message" && takesUpstream && !behind) {
      const trace = this.traced(message.seq);
      if (trace !== undefined) tracing.keep(this, trace);
    }
    this.perform(this.attachment.message(message, now));
  }

  /** The trace of a message that has just come, if it is one of those to trace. */
  private traced(seq: number): MessageTrace | undefined {
    const { tracing } = this.dependencies;
    if (!tracing.choose()) return undefined;
    const { world, sessionId: session = 0 } = this.attachment;
    return tracing.begin(seq, { world, session, transport: this.connection.transport });
  }

  control(): void {
    const { clock, stalls } = this.dependencies;
    const now = clock.now();
    if (!this.intake.messages.take(1, now, stalls.allowanceMs(now))) this.tooFast("control frames");
  }

  violation(code: CloseCode, reason: string): void {
    this.end(code, reason);
  }

  updatesLost(sent: SentUpdates): void {
    this.port?.feed.updatesLost(this.attach, sent);
  }

  closed(): void {
    this.perform(this.attachment.disconnected());
  }

  private tooFast(what: string): void {
    const { messagesPerSecond, bytesPerSecond } = this.options.limits;
    this.end(
      "rate-limited",
      `too many ${what}; at most ${messagesPerSecond} messages and ${bytesPerSecond} bytes a second`,
    );
  }

  end(code: CloseCode, reason: string): void {
    if (this.attachment.phase !== "ended") this.perform(this.attachment.end(code, reason));
  }

  /** Its session goes on through another proxy, when it was told of one to return to. */
  sendAway(): void {
    if (this.attachment.phase === "leaving") return;
    if (this.attachment.sessionId === undefined)
      return this.end("shutting-down", "the server is stopping; come back in a moment");
    this.dependencies.counters.movesSuggested += 1;
    // In its place behind the first welcome.
    this.output.item(encodeReconnect());
  }

  sweep(now: number): void {
    this.perform(this.attachment.sweep(now));
    // Its pings are not read: without a word it would take us for dead, and leave.
    if (this.intake.remindIsDue(now))
      this.output.item(encodeAck(this.attachment.confirmed, this.port?.feed.tick ?? 0));
  }

  // Events of the hub and of the shard.

  routed(port: ShardPort): void {
    this.port = port;
    this.shard = port.shard;
    this.perform(this.attachment.routed());
  }

  unknownWorld(): void {
    this.perform(this.attachment.unknownWorld(this.dependencies.clock.now()));
  }

  refused(why: "disabled" | "removed"): void {
    this.perform(this.attachment.noOwner(why));
  }

  shardMessage(message: ToProxy): void {
    switch (message.type) {
      case "attached":
        return this.perform(this.attachment.attached(message));
      case "closed": {
        const now = this.dependencies.clock.now();
        return this.perform(this.attachment.shardClosed(message.code, message.reason, now));
      }
      case "transfer":
        return this.output.item(encodeTransfer(message.world));
      case "notice":
        return this.output.item(encodeNotice(message.kind, message.text));
      default:
    }
  }

  lost(returned: Returned): void {
    this.dependencies.counters.reattaches += 1;
    this.perform(this.attachment.lost(this.dependencies.clock.now(), returned));
  }

  congested(): void {
    this.intake.pause("congested");
  }

  uncongested(): void {
    this.intake.unpause("congested");
  }

  // What the feed asks for.

  requestResync(): void {
    this.dependencies.counters.resyncsAsked += 1;
    this.port?.upstream(this.attach, RESYNC);
  }

  overflowed(): void {
    this.end("slow-consumer", "answers pile up; the connection is too slow");
  }

  // Effects of the attachment.

  private perform(effects: readonly AttachmentEffect[]): void {
    for (const effect of effects) {
      if (effect.type !== "upstream") this.trace.note(effect);
      this.performOne(effect);
    }
    const { tracing } = this.dependencies;
    if (!tracing.on) return;
    const { phase } = this.attachment;
    if (phase === "ended" || phase === "greeting") tracing.dropKept(this, "the player is gone");
  }

  private passOn(item: UpstreamItem): void {
    const { tracing } = this.dependencies;
    const trace =
      tracing.on && item.kind === UpstreamKind.message ? tracing.takeKept(this, item.n) : undefined;
    if (this.port === undefined) trace?.lost("there is no shard");
    else this.port.upstream(this.attach, item, trace);
  }

  private performOne(effect: AttachmentEffect): void {
    const { hub, counters, clock, tracing } = this.dependencies;
    switch (effect.type) {
      case "upstream":
        return this.passOn(effect.item);
      case "stale":
        counters.staleFromClients += 1;
        // What was kept for the older timeline went with it.
        if (tracing.on) tracing.dropKept(this, "the world went back");
        return;
      case "pong":
        if (this.connection.backlogBytes > this.options.limits.reliableBacklogBytes)
          return this.overflowed();
        return this.connection.send(encodePong(effect.t, this.port?.feed.tick ?? 0));
      case "send":
        return this.connection.send(effect.item);
      case "identify":
        // Another hello may be for another world.
        this.shard = undefined;
        return this.ask(identify(effect.hello, this.options, this.dependencies), (answer) =>
          this.perform(
            answer.ok
              ? this.attachment.identified(answer.identity, clock.now())
              : this.attachment.refused(answer.code, answer.reason),
          ),
        );
      case "sign":
        return this.ask(this.dependencies.keys.signResume(effect.claims), (resume) =>
          this.perform(this.attachment.signed(resume)),
        );
      case "route":
        return hub.route(this, effect.world, effect.notBefore);
      case "unroute":
        return hub.unroute(this);
      case "attach":
        this.output.hold();
        if (this.port === undefined) return;
        this.attach = this.port.attach(this, { ...effect.message, type: "attach" });
        return this.port.follow(this.attach, this.output);
      case "release":
        return this.output.release();
      case "detach":
        this.port?.detach(this.attach);
        return this.unfollowed();
      case "unfollow":
        this.port?.forget(this.attach);
        return this.unfollowed();
      case "leave":
        return this.port?.leave(this.attach);
      case "pause":
        return this.intake.pause("unowned");
      case "resume":
        return this.intake.unpause("unowned");
      case "close":
        counters.countClose(effect.code);
        this.dependencies.logger.debug("a connection is closed", {
          ...this.facts(),
          code: effect.code,
          reason: effect.reason,
          address: this.connection.remoteAddress,
        });
        return this.connection.close(effect.code, effect.reason);
    }
  }

  /** What every line about this player says: what is known of world, shard, session and trace. */
  private facts(): LogFacts {
    const { world, sessionId: session } = this.attachment;
    const { traceId } = this.trace;
    return {
      ...(world === "" ? {} : { world }),
      ...(this.shard === undefined ? {} : { shard: this.shard }),
      ...(session === undefined ? {} : { session }),
      ...(traceId === undefined ? {} : { traceId }),
    };
  }

  private unfollowed(): void {
    this.port = undefined;
    this.output.drop();
    this.intake.unpause("congested");
  }

  private ask<T>(promise: Promise<T>, answer: (value: T) => void): void {
    const question = ++this.question;
    promise.then(
      (value) => {
        if (question === this.question) answer(value);
      },
      (error: unknown) => {
        this.dependencies.logger.error("tickets cannot be checked or made", {
          ...this.facts(),
          error,
        });
        this.end("internal-error", "the server cannot check tickets right now");
      },
    );
  }
}

const RESYNC = { kind: UpstreamKind.resync, n: 0, index: 0, payload: new Uint8Array(0) };
