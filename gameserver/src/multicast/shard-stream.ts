import {
  type Clock,
  type Link,
  type LinkNetwork,
  type Logger,
  NODE_CHANNEL,
  shardChannel,
  type Timer,
  type ToProxy,
  type ToShard,
} from "@atlasnet/core";
import { DecodeError } from "@atlasnet/world";
import type { WorldWatch } from "./world-watch.ts";

/** A link that is gone is opened again after this long. */
const RECONNECT_MS = 1_000;

export interface ShardStreamDependencies {
  links: LinkNetwork;
  clock: Clock;
  logger: Logger;
}

const fromShard = new Set([
  "attached",
  "watching",
  "closed",
  "transfer",
  "notice",
  "downstream",
  "shard-reset",
]);

/**
 * The link over which worlds are followed: that of one more proxy, so that a change is encoded once
 * for it and all others. It is opened again whenever it ends.
 */
export class ShardStream {
  private readonly node: string;
  private readonly dependencies: ShardStreamDependencies;
  private readonly logger: Logger;
  private readonly watches = new Map<string, WorldWatch>();
  private link: Link | undefined;
  private timer: Timer | undefined;
  private stopped = false;

  /** `node`: the gameserver's. */
  constructor(node: string, dependencies: ShardStreamDependencies) {
    this.node = node;
    this.dependencies = dependencies;
    this.logger = dependencies.logger.child({ part: "multicast", peer: node });
  }

  /** Follows a shard with a watch, which hears of links and messages from here on. */
  add(shard: string, watch: WorldWatch): void {
    this.watches.set(shard, watch);
    if (this.link !== undefined) this.open(this.link, shard, watch);
  }

  send(message: ToShard): void {
    this.link?.channel(shardChannel(message.shard)).send(message);
  }

  /** @throws LinkError when the gameserver cannot be reached. */
  async start(): Promise<void> {
    const link = await this.dependencies.links.connect(this.node);
    if (this.stopped) return link.close({ code: "closed" });
    this.link = link;
    // What else the gameserver hosts is of no use here; it must not pile up.
    link.channel(NODE_CHANNEL).onMessage(() => undefined);
    link.closed.then(
      ({ code }) => this.lost(link, code),
      (error: unknown) => this.logger.error("A link failed.", { error }),
    );
    for (const [shard, watch] of this.watches) this.open(link, shard, watch);
  }

  private open(link: Link, shard: string, watch: WorldWatch): void {
    link.channel(shardChannel(shard)).onMessage((message) => {
      if (this.link !== link) return;
      if (!isFromShard(message)) return this.broken(link, shard, `a shard sent "${message.type}"`);
      try {
        watch.receive(message);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        this.broken(link, shard, `malformed batch: ${error.message}`);
      }
    });
    watch.linked();
  }

  private broken(link: Link, shard: string, detail: string): void {
    this.logger.error("Multicast could not read what a shard sent.", { shard, detail });
    link.close({ code: "bad-message", detail });
  }

  private lost(link: Link, code: string): void {
    if (this.link !== link) return;
    this.link = undefined;
    for (const watch of this.watches.values()) watch.lost();
    if (this.stopped) return;
    this.logger.warn("Multicast lost its link to the worlds.", { code });
    this.reconnectLater();
  }

  private reconnectLater(): void {
    this.timer = this.dependencies.clock.setTimer(RECONNECT_MS, () => {
      this.start().catch((error: unknown) => {
        this.logger.warn("Multicast cannot reach the worlds.", { error });
        if (!this.stopped) this.reconnectLater();
      });
    });
  }

  /** Idempotent. */
  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.link?.close({ code: "closed" });
    for (const watch of this.watches.values()) watch.lost();
  }
}

function isFromShard(message: { type: string }): message is ToProxy {
  return fromShard.has(message.type);
}
