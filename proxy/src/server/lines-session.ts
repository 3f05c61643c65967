import type { Clock, TicketKeys } from "@atlasnet/core";
import type { CloseCode, TopicChange } from "@atlasnet/world";
import type { LineEvents, LinesConnection } from "../gateway/lines/lines-connection.ts";
import { parseLine } from "../gateway/lines/parse-line.ts";
import type { ProxyLimits } from "../limits.ts";
import type { ProxyCounters } from "../metrics.ts";
import { TokenBucket } from "../session/token-bucket.ts";
import type { Hub } from "./hub.ts";
import type { Stalls } from "./stalls.ts";
import { TopicWatch } from "./topic-watch.ts";
import type { Resident } from "./visitor.ts";

export interface LinesSessionDependencies {
  hub: Hub;
  keys: TicketKeys;
  clock: Clock;
  counters: ProxyCounters;
  stalls: Pick<Stalls, "allowanceMs">;
}

/** A client that speaks text lines: answers commands, writes changes of watched topics as JSON. */
export class LinesSession implements LineEvents, Resident {
  readonly awaitsHello = false;
  readonly isPaused = false;
  private readonly connection: LinesConnection;
  private readonly limits: ProxyLimits;
  private readonly dependencies: LinesSessionDependencies;
  private readonly watches = new Map<string, TopicWatch>();
  private readonly messages: TokenBucket;
  private readonly bytes: TokenBucket;
  /** The world the ticket is for; "*" for all. */
  private ticketWorld: string | undefined;
  private ended = false;

  constructor(
    connection: LinesConnection,
    limits: ProxyLimits,
    dependencies: LinesSessionDependencies,
  ) {
    this.connection = connection;
    this.limits = limits;
    this.dependencies = dependencies;
    const now = dependencies.clock.now();
    this.messages = new TokenBucket(limits.messagesPerSecond, limits.messagesBurst, now);
    this.bytes = new TokenBucket(limits.bytesPerSecond, limits.bytesBurst, now);
  }

  async line(text: string): Promise<void> {
    const { clock, counters, stalls } = this.dependencies;
    const now = clock.now();
    const stalled = stalls.allowanceMs(now);
    counters.messagesIn += 1;
    counters.bytesIn += text.length;
    if (!this.messages.take(1, now, stalled) || !this.bytes.take(text.length, now, stalled))
      return this.end("rate-limited", "too many lines");
    if (this.connection.backlogBytes > this.limits.reliableBacklogBytes)
      return this.end("slow-consumer", "answers pile up");
    const command = parseLine(text);
    switch (command.type) {
      case "ping":
        return this.connection.sendLine("PONG");
      case "auth":
        return this.answer(await this.authorize(command.ticket));
      case "sub":
        return this.subscribe(command.world, command.topic);
      case "unsub": {
        const key = `${command.world}/${command.topic}`;
        this.watches.get(key)?.stop();
        this.watches.delete(key);
        return this.answer(undefined);
      }
      case "refused":
        return this.answer(command.code);
      case "other":
        return this.answer(undefined);
    }
  }

  private answer(code: CloseCode | undefined): void {
    if (code !== undefined) this.dependencies.counters.countClose(code);
    this.connection.sendLine(code === undefined ? "OK" : `ERR ${code}`);
  }

  private async authorize(ticket: string): Promise<CloseCode | undefined> {
    const { keys, clock } = this.dependencies;
    const verified = await keys.verify(ticket, Math.floor(clock.wallTime() / 1000));
    if (!verified.ok) return verified.code;
    this.ticketWorld = verified.claims.world;
    return undefined;
  }

  /** Resolves when the topic is followed or refused. */
  private subscribe(world: string, topic: string): Promise<void> {
    const key = `${world}/${topic}`;
    if (this.watches.has(key)) return Promise.resolve(this.answer(undefined));
    if (this.watches.size >= this.limits.watchesPerConnection)
      return Promise.resolve(this.answer("rate-limited"));
    return new Promise((resolve) => {
      const watch = new TopicWatch(
        {
          world,
          topic,
          authorized: this.ticketWorld === "*" || this.ticketWorld === world,
          unavailableTimeoutMs: this.limits.unavailableTimeoutMs,
        },
        {
          hub: this.dependencies.hub,
          clock: this.dependencies.clock,
          backlogBytes: () => this.connection.backlogBytes,
          changed: (change) => this.write(world, topic, change),
          answer: (code) => {
            if (code !== undefined) this.watches.delete(key);
            this.answer(code);
            resolve();
          },
        },
      );
      this.watches.set(key, watch);
      watch.start();
    });
  }

  private write(world: string, topic: string, change: TopicChange): void {
    const { tick, full, enter, update, leave } = change;
    const line = { world, topic, tick, full, enter, update, leave };
    this.connection.sendLine(JSON.stringify(line, bytesAsBase64));
  }

  violation(code: CloseCode, reason: string): void {
    this.end(code, reason);
  }

  end(code: CloseCode, reason: string): void {
    if (this.ended) return;
    this.dependencies.counters.countClose(code);
    this.closed();
    this.connection.close(code, reason);
  }

  sendAway(): void {
    this.end("shutting-down", "the server is stopping");
  }

  closed(): void {
    this.ended = true;
    for (const watch of this.watches.values()) watch.stop();
    this.watches.clear();
  }

  sweep(now: number): void {
    for (const watch of this.watches.values()) watch.sweep(now);
  }
}

function bytesAsBase64(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}
