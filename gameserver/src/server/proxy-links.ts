import {
  type Hosting,
  isToShard,
  type Link,
  type LinkMessage,
  type Logger,
  NODE_CHANNEL,
  type Placed,
  shardChannel,
  type ToProxy,
  type ToShard,
} from "@atlasnet/core";
import type { FromThread } from "../host/protocol.ts";
import type { ThreadPool } from "../host/thread-pool.ts";
import { factsOf, type HostedWorlds } from "./hosted-world.ts";
import type { OutGate } from "./out-gate.ts";
import type { SleepingWorlds } from "./sleeping-worlds.ts";
import type { TraceRelay } from "./trace-relay.ts";

/** What a message weighs while it is held, beside the batch it carries. */
const MESSAGE_BYTES = 256;

export interface ProxyLinksOptions {
  /** A control plane says what runs where; absent, proxies hear it of this gameserver. */
  readonly isPlaced: boolean;
}

export interface ProxyLinksDependencies {
  readonly worlds: HostedWorlds;
  readonly threads: Pick<ThreadPool, "send" | "broadcast">;
  readonly gate: Pick<OutGate, "isOpen" | "send">;
  readonly sleeping: Pick<SleepingWorlds, "keep">;
  readonly traces: Pick<TraceRelay, "receive">;
  readonly logger: Logger;
  /** For a shard that does not run here: false when it is not about to, either; else `take` is called once it does. */
  hold(shard: string, take: () => void): boolean;
}

type Output = Extract<FromThread, { type: "out" }>;

/**
 * The links of proxies: what comes over them goes to the threads of its shards, and what shards say goes to the proxy it
 * is for, or to all of them.
 */
export class ProxyLinks {
  private readonly options: ProxyLinksOptions;
  private readonly dependencies: ProxyLinksDependencies;
  private readonly peers = new Map<number, Link>();
  private nextPeer = 1;
  private bytes = 0;

  constructor(options: ProxyLinksOptions, dependencies: ProxyLinksDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  /** Bytes of batches that came from proxies and went to them, since the start. */
  get traffic(): number {
    return this.bytes;
  }

  /** A proxy opened it. */
  accept(link: Link): void {
    const { logger: parent, worlds, gate, threads } = this.dependencies;
    const peer = this.nextPeer++;
    const logger = parent.child({ peer: link.peer.node, link: peer });
    logger.info("A proxy is linked.", { generation: link.generation });
    this.peers.set(peer, link);
    for (const shard of worlds.keys()) this.listen(peer, link, shard);
    const node = link.channel(NODE_CHANNEL);
    node.onMessage(({ type }) => this.refuse(link, `"${type}" is not for a gameserver`));
    if (gate.isOpen) node.send(this.hosting());
    link.closed.then(
      ({ code, detail }) => {
        this.peers.delete(peer);
        threads.broadcast({ type: "disconnect", peer });
        const level = code === "closed" ? "info" : "warn";
        logger[level](
          "A link to a proxy is gone.",
          detail === undefined ? { code } : { code, detail },
        );
      },
      (error: unknown) => logger.error("A link failed.", { error }),
    );
  }

  /** A shard runs here: what comes for it is taken, on every link. */
  serve(shard: string): void {
    for (const [peer, link] of this.peers) this.listen(peer, link, shard);
  }

  /** What a shard says, to the proxies it is for, as soon as it may leave. */
  send(output: Output): void {
    const { shard, messages, tick } = output;
    const bytes = bytesOf(output);
    const release = () => {
      this.bytes += bytes;
      for (const { peer, message } of messages)
        this.peers.get(peer)?.channel(shardChannel(shard)).send(message);
    };
    this.dependencies.gate.send(shard, bytes, release, tick);
  }

  /**
   * To every proxy that knows such messages, behind all that the shard has let out; `told` is called then, if that comes.
   */
  sendToAll(message: Extract<ToProxy | Placed, { shard: string }>, told?: () => void): void {
    const { shard } = message;
    this.dependencies.gate.send(shard, 0, () => {
      const channel = message.type === "placed" ? NODE_CHANNEL : shardChannel(shard);
      for (const link of this.peers.values())
        if (link.speaks(message.type)) link.channel(channel).send(message);
      told?.();
    });
  }

  /**
   * What runs here, for proxies to route by: the whole list, on every link. Those of a control plane watch that instead:
   * with thousands of worlds, the list would cost more than opening them.
   */
  announceHosting(): void {
    // Said again once it may be.
    if (this.options.isPlaced || !this.dependencies.gate.isOpen) return;
    const message = this.hosting();
    for (const link of this.peers.values()) link.channel(NODE_CHANNEL).send(message);
  }

  close(): void {
    for (const link of this.peers.values()) link.close({ code: "closed" });
  }

  private hosting(): Hosting {
    const entries = [...this.dependencies.worlds.values()];
    const worlds = entries.map(({ hosted: { world, shard, epoch } }) => ({ world, shard, epoch }));
    return { type: "hosting", worlds };
  }

  private listen(peer: number, link: Link, shard: string): void {
    const { dependencies } = this;
    // A link has one of these for each world: between messages it holds nothing.
    let batch: ToShard[] | undefined;
    let posted: (() => void)[] | undefined;
    const take = (message: LinkMessage): void => {
      if (!isToShard(message))
        return this.refuse(link, `"${message.type}" is not for a gameserver`, shard);
      if (this.options.isPlaced && !dependencies.worlds.has(shard)) {
        const held = dependencies.hold(shard, () => take(message));
        return held ? undefined : this.turnAway(link, message);
      }
      const opens = message.type === "attach" || message.type === "watch";
      const kept = dependencies.sleeping.keep(shard, () => take(message), opens);
      if (kept === "full") return this.turnAway(link, message);
      if (kept !== "awake") return;
      let onward = message;
      if (message.type === "upstream" && message.trace !== undefined) {
        const place = { ...factsOf(dependencies.worlds, shard), proxy: link.peer.node };
        const relayed = dependencies.traces.receive(message, place);
        if (relayed === undefined) return this.refuse(link, "malformed trace marks", shard);
        onward = relayed.message;
        posted ??= [];
        posted.push(relayed.posted);
      }
      if (onward.type === "upstream") this.bytes += onward.batch.length;
      if (batch !== undefined) {
        batch.push(onward);
        return;
      }
      // One post per turn of the event loop, however many messages it brought.
      const messages = [onward];
      batch = messages;
      queueMicrotask(() => {
        batch = undefined;
        // Behind the word of the link's end, an attach would stay for ever.
        if (this.peers.has(peer))
          dependencies.threads.send(shard, { type: "messages", shard, peer, messages });
        const ends = posted ?? [];
        posted = undefined;
        for (const end of ends) end();
      });
    };
    link.channel(shardChannel(shard)).onMessage(take);
  }

  /** The shard was here, and is not any more: proxies find out where it is. */
  private turnAway(link: Link, message: ToShard): void {
    const { gate } = this.dependencies;
    if ((message.type !== "attach" && message.type !== "watch") || !gate.isOpen) return;
    const { shard, epoch, attach } = message;
    const reason = "the shard is not here any more";
    const code = "world-unavailable";
    link.channel(shardChannel(shard)).send({ type: "closed", shard, epoch, attach, code, reason });
  }

  private refuse(link: Link, detail: string, shard?: string): void {
    const { logger, worlds } = this.dependencies;
    const peer = link.peer.node;
    logger.error("A proxy broke the link protocol.", {
      peer,
      ...(shard === undefined ? {} : factsOf(worlds, shard)),
      detail,
    });
    link.close({ code: "bad-message", detail });
  }
}

function bytesOf({ messages }: Output): number {
  let bytes = 0;
  for (const { message } of messages)
    bytes += MESSAGE_BYTES + (message.type === "downstream" ? message.batch.length : 0);
  return bytes;
}
