import { type Clock, type ToProxy, UpstreamKind } from "@atlasnet/core";
import {
  type CloseCode,
  type CompiledDefinition,
  compileDefinition,
  DecodeError,
  type TopicChange,
  TopicMirror,
} from "@atlasnet/world";
import type { FeedOutput, WatchedSection } from "../session/client-feed.ts";
import type { Hub, RoutedClient } from "./hub.ts";
import type { ShardClient, ShardPort } from "./shard-port.ts";

const RETRY_MS = 250;

export interface TopicWatchOptions {
  world: string;
  topic: string;
  authorized: boolean;
  unavailableTimeoutMs: number;
}

export interface TopicWatchDependencies {
  hub: Hub;
  clock: Clock;
  /** The socket's unsent bytes. */
  backlogBytes: () => number;
  changed: (change: TopicChange) => void;
  /** The watch stands (undefined), or it never will, or it is over. */
  answer: (code: CloseCode | undefined) => void;
}

/** One public topic, followed for a text client; goes on by itself when the shard moves. */
export class TopicWatch implements RoutedClient, ShardClient, FeedOutput {
  readonly framing = "sections";
  private readonly options: TopicWatchOptions;
  private readonly dependencies: TopicWatchDependencies;
  private port: ShardPort | undefined;
  private attach = 0;
  private definition: CompiledDefinition | undefined;
  /** By topic number; the shard gives a watch one topic. */
  private mirrors = new Map<number, TopicMirror>();
  private established = false;
  private ended = false;
  private waitingSince: number;

  constructor(options: TopicWatchOptions, dependencies: TopicWatchDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.waitingSince = dependencies.clock.now();
  }

  start(): void {
    this.dependencies.hub.route(this, this.options.world, 0);
  }

  stop(): void {
    if (this.ended) return;
    this.ended = true;
    this.dependencies.hub.unroute(this);
    this.port?.detach(this.attach);
    this.port = undefined;
  }

  sweep(now: number): void {
    if (this.definition !== undefined || this.ended) return;
    if (now - this.waitingSince >= this.options.unavailableTimeoutMs)
      this.fail("world-unavailable");
  }

  private fail(code: CloseCode): void {
    this.stop();
    this.dependencies.answer(code);
  }

  routed(port: ShardPort): void {
    const { topic, authorized } = this.options;
    this.port = port;
    this.attach = port.attach(this, { type: "watch", topic, authorized });
    port.follow(this.attach, this);
  }

  unknownWorld(): void {
    if (this.established) this.retry();
    else this.fail("unknown-world");
  }

  refused(why: "disabled" | "removed"): void {
    this.fail(why === "removed" ? "unknown-world" : "world-unavailable");
  }

  private retry(): void {
    const { hub, clock } = this.dependencies;
    hub.route(this, this.options.world, clock.now() + RETRY_MS);
  }

  shardMessage(message: ToProxy): void {
    if (message.type === "watching") {
      this.definition = compileDefinition(message.definition);
      this.mirrors.clear();
      if (this.established) return;
      this.established = true;
      this.dependencies.answer(undefined);
    } else if (message.type === "closed") {
      this.port?.forget(this.attach);
      this.port = undefined;
      if (message.code === "world-unavailable") this.retry();
      else this.fail(message.code);
    }
  }

  lost(): void {
    this.port = undefined;
    this.definition = undefined;
    this.waitingSince = this.dependencies.clock.now();
    this.dependencies.hub.route(this, this.options.world, 0);
  }

  congested(): void {}
  uncongested(): void {}

  get backlogBytes(): number {
    return this.dependencies.backlogBytes();
  }

  sendFrames(): void {}
  applied(): void {}
  overflowed(): void {}

  sendSections(tick: number, sections: readonly WatchedSection[]): void {
    for (const section of sections) this.section(tick, section);
  }

  private section(tick: number, section: WatchedSection): void {
    if (this.definition === undefined) return;
    const mirror = this.mirrors.get(section.topic) ?? new TopicMirror(this.definition);
    this.mirrors.set(section.topic, mirror);
    try {
      const change = mirror.apply(tick, section.bytes);
      if (change === "gap") this.requestResync();
      else this.dependencies.changed(change);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.fail("internal-error");
    }
  }

  requestResync(): void {
    this.port?.upstream(this.attach, RESYNC);
  }
}

const RESYNC = { kind: UpstreamKind.resync, n: 0, index: 0, payload: new Uint8Array(0) };
