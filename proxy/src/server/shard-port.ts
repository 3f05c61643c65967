import {
  type Attach,
  type Channel,
  type Clock,
  type Detach,
  isToProxy,
  type Leave,
  type LinkMessage,
  type Logger,
  type Timer,
  type ToProxy,
  type ToShard,
  UpstreamBatch,
  type Watch,
} from "@atlasnet/core";
import { DecodeError } from "@atlasnet/world";
import type { ProxyLimits } from "../limits.ts";
import type { ProxyCounters, SealEnd } from "../metrics.ts";
import type { UpstreamItem } from "../session/attachment-effects.ts";
import type { FeedOutput } from "../session/client-feed.ts";
import { NOTHING_RETURNED, type Returned, returnedItems } from "../session/returned.ts";
import { ShardFeed } from "../session/shard-feed.ts";
import { BatchTraces } from "./batch-traces.ts";
import type { MessageTrace } from "./message-tracer.ts";

/** A batch is sent early once it is this large. */
const UPSTREAM_FLUSH_BYTES = 256 * 1024;

/** Gathered messages leave so long before the next tick is due. */
const TICK_MARGIN_MS = 10;

/** Goodbyes that wait behind what is held; at one more it goes out at once, and its client's last words are sent anew. */
const MAX_PARTINGS = 4_096;

/** One who is attached to a shard: a player's connection or a watcher of text lines. */
export interface ShardClient {
  shardMessage(message: ToProxy): void;
  /** The attachment is gone with its link, owner or epoch; `returned`: what of the client's words did not go out. */
  lost(returned: Returned): void;
  /** The link is full, or the shard about to move, and no more can be kept: stop sending until `uncongested`. */
  congested(): void;
  uncongested(): void;
}

/** What the port fills in itself. */
type Address = "shard" | "epoch" | "attach";
type Opening = Omit<Attach, Address> | Omit<Watch, Address>;

export interface ShardPortDependencies {
  channel: Channel;
  clock: Clock;
  counters: ProxyCounters;
  logger: Logger;
  nextAttach: () => number;
  /** The peer sent what no shard sends: the link has to go. */
  broken: (reason: string) => void;
  /** The shard is about to move to a node. */
  moving: (to: string) => void;
}

/**
 * One shard as seen over one link: its channel, who is attached, what goes there.
 *
 * 1. An attach number is used once, so what comes for an old one finds nobody.
 * 2. Messages below the highest epoch seen are dropped (design rule 5.3), and all of an owner that is none any more.
 * 3. From `shard-sealed` until it is known what became of that, upstream is held in order: it goes to the same owner
 *    after all, or back to the clients, who take it to the next one.
 */
export class ShardPort {
  readonly shard: string;
  epoch: number;
  readonly feed: ShardFeed;
  private readonly limits: ProxyLimits;
  private readonly dependencies: ShardPortDependencies;
  private readonly clients = new Map<number, ShardClient>();
  private readonly batch = new UpstreamBatch();
  private readonly traces: BatchTraces;
  private readonly heldUp = new Set<ShardClient>();
  /** Detaches and leaves that came while nothing could be sent. */
  private partings: (Detach | Leave)[] = [];
  private seal: { readonly since: number; readonly timer: Timer } | undefined;
  private flushPlanned = false;
  /** When the last tick was due, and how long one takes; 0 before they are known. */
  private tickedAt = 0;
  private tickMs = 0;
  private full = false;
  private gone = false;
  /** The shard is somebody else's now, or for now nobody's, as far as is known. */
  private disowned = false;

  constructor(
    options: { shard: string; epoch: number; limits: ProxyLimits },
    dependencies: ShardPortDependencies,
  ) {
    this.shard = options.shard;
    this.epoch = options.epoch;
    this.limits = options.limits;
    this.dependencies = dependencies;
    this.traces = new BatchTraces(dependencies.counters);
    this.feed = new ShardFeed(options.limits, {
      allocate: (bytes) => Buffer.allocUnsafeSlow(bytes),
      counters: dependencies.counters,
    });
    dependencies.channel.onMessage((message) => this.receive(message));
    dependencies.channel.onDrain(() => this.drained());
  }

  /** Attaches a client: `attach` for players, `watch` for lines. Returns the attach number. */
  attach(client: ShardClient, message: Opening): number {
    const attach = this.dependencies.nextAttach();
    this.clients.set(attach, client);
    this.dependencies.counters.attaches += 1;
    this.send({ ...message, shard: this.shard, epoch: this.epoch, attach });
    return attach;
  }

  /** Lets the shard's batches flow to an attached client. */
  follow(attach: number, output: FeedOutput): void {
    this.feed.add(attach, output);
  }

  /** Forgets an attachment without a word to the shard. */
  forget(attach: number): void {
    const client = this.clients.get(attach);
    if (client !== undefined) this.heldUp.delete(client);
    this.clients.delete(attach);
    this.feed.remove(attach);
  }

  detach(attach: number): void {
    this.forget(attach);
    this.part({ type: "detach", shard: this.shard, epoch: this.epoch, attach });
  }

  leave(attach: number): void {
    this.part({ type: "leave", shard: this.shard, epoch: this.epoch, attach });
  }

  /** The player's last words go first. */
  private part(message: Detach | Leave): void {
    if (this.gone) return;
    if (this.holds && this.partings.length < MAX_PARTINGS) this.partings.push(message);
    else {
      this.flush();
      this.send(message);
    }
  }

  /** Bytes that wait for the next owner, or for this one to go on. */
  get heldBytes(): number {
    return this.batch.byteLength;
  }

  get clientCount(): number {
    return this.clients.size;
  }

  private get holds(): boolean {
    return this.full || this.seal !== undefined;
  }

  /** `trace`: of a message that is traced; it ends with its batch. */
  upstream(attach: number, item: UpstreamItem, trace?: MessageTrace): void {
    if (this.gone) {
      trace?.lost("the link to the gameserver is gone");
      return;
    }
    this.batch.add(attach, item.kind, item.n, item.index, item.payload);
    this.dependencies.counters.upstreamEntries += 1;
    if (trace !== undefined) {
      const held = this.seal === undefined ? {} : { sealed: true };
      trace.note({ shard: this.shard, attach, ...(this.full ? { congested: true } : {}), ...held });
      this.traces.add(trace, attach);
    }
    if (this.holds) {
      if (this.batch.byteLength < this.limits.upstreamBufferBytes) return;
      const client = this.clients.get(attach);
      if (client === undefined) return;
      this.heldUp.add(client);
      client.congested();
    } else if (this.batch.byteLength >= UPSTREAM_FLUSH_BYTES) {
      this.flush();
    } else if (!this.flushPlanned) {
      this.flushPlanned = true;
      this.dependencies.clock.setTimer(this.gatheringMs(), () => {
        this.flushPlanned = false;
        this.flush();
      });
    }
  }

  /**
   * How long upstream messages may be gathered. A shard takes them in with its next tick: while it
   * ticks, what comes early in a tick waits for what comes later, and all goes in one message.
   */
  private gatheringMs(): number {
    const { upstreamFlushMs } = this.limits;
    const spare = this.tickedAt + this.tickMs - TICK_MARGIN_MS - this.dependencies.clock.now();
    return Math.max(upstreamFlushMs, spare);
  }

  /** Attaches everybody anew at a higher epoch, wherever the owner is by then. */
  advance(epoch: number): void {
    this.disowned = false;
    if (epoch <= this.epoch) return;
    this.epoch = epoch;
    this.loseAll("the world moved on to another epoch", "moved");
  }

  /**
   * The shard is not this node's any more. Its epoch stays: who says that somebody else has it at a higher one may
   * be mistaken, and then it goes on here.
   */
  disown(): void {
    this.disowned = true;
    this.loseAll("the world has another owner, or none for now", "moved");
  }

  /** The link is gone. */
  close(): void {
    this.gone = true;
    this.loseAll("the link to the gameserver is gone", "link-lost");
  }

  private loseAll(why: string, end: SealEnd): void {
    this.endSeal(end);
    const items = returnedItems(this.batch.take());
    this.traces.lose(why);
    const left = new Set(this.partings.map(({ attach }) => attach));
    this.partings = [];
    const clients = [...this.clients];
    for (const [attach] of clients) this.forget(attach);
    for (const [attach, client] of clients)
      client.lost({
        items: items.get(attach) ?? NOTHING_RETURNED.items,
        leave: left.has(attach),
      });
  }

  /** The shard has made its last tick here for now. */
  private sealed(to: string): void {
    const { clock, counters, moving } = this.dependencies;
    if (this.seal === undefined) {
      counters.seals += 1;
      counters.sealed.add(this);
      const timer = clock.setTimer(this.limits.sealedMs, () =>
        this.loseAll("the world's owner sealed it and was not heard of again", "unheard"),
      );
      this.seal = { since: clock.now(), timer };
    }
    moving(to);
  }

  private endSeal(end: SealEnd): void {
    const { seal } = this;
    if (seal === undefined) return;
    const { clock, counters } = this.dependencies;
    this.seal = undefined;
    seal.timer.cancel();
    counters.sealed.delete(this);
    counters.sealEnded((clock.now() - seal.since) / 1000, end);
  }

  /** Lets go of what was held, once there is nothing to hold it for. */
  private letGo(): void {
    if (this.holds) return;
    this.flush();
    for (const message of this.partings.splice(0)) this.send(message);
    const clients = [...this.heldUp];
    this.heldUp.clear();
    for (const client of clients) client.uncongested();
  }

  private flush(): void {
    if (this.gone || this.holds || this.batch.count === 0) return;
    this.dependencies.counters.upstreamFlushes += 1;
    const { shard, epoch } = this;
    const batch = this.batch.take();
    if (this.traces.isEmpty) this.send({ type: "upstream", shard, epoch, batch });
    else this.send({ type: "upstream", shard, epoch, batch, trace: this.traces.leave() });
  }

  private send(message: ToShard): void {
    if (this.gone) return;
    if (!this.dependencies.channel.send(message)) this.full = true;
  }

  private drained(): void {
    this.full = false;
    this.letGo();
  }

  private receive(message: LinkMessage): void {
    if (this.gone) return;
    if (!isToProxy(message)) return this.dependencies.broken(`a shard sent "${message.type}"`);
    // The shard moved on, said or not: what it does from here on needs attachments at that epoch.
    if (message.epoch > this.epoch) return this.advance(message.epoch);
    if (message.epoch < this.epoch || this.disowned) return this.receiveStale(message);
    switch (message.type) {
      case "shard-reset":
        return;
      case "shard-sealed":
        return this.sealed(message.to);
      case "shard-unsealed":
        this.endSeal("unsealed");
        return this.letGo();
      case "downstream":
        this.tickedAt = this.dependencies.clock.now() - (message.ageMs ?? 0);
        return this.apply(message.batch);
      case "attached":
        this.tickMs = 1000 / message.tickRate;
        this.clients.get(message.attach)?.shardMessage(message);
        return;
      case "notice":
        for (const client of [...this.clients.values()]) client.shardMessage(message);
        return;
      default:
        this.clients.get(message.attach)?.shardMessage(message);
    }
  }

  /** From before the highest epoch seen: dropped, but for the answer of an owner that is behind. */
  private receiveStale(message: ToProxy): void {
    const client = message.type === "closed" ? this.clients.get(message.attach) : undefined;
    // Attach numbers are not used twice, so this answers an attach at this epoch.
    if (client !== undefined && message.type === "closed" && message.code === "world-unavailable")
      return client.shardMessage(message);
    this.dependencies.counters.staleMessages += 1;
  }

  private apply(batch: Uint8Array): void {
    this.dependencies.counters.downstreamBatches += 1;
    try {
      this.feed.apply(batch);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.dependencies.broken(`malformed batch of ${this.shard}: ${error.message}`);
    }
  }
}
