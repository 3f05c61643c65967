import {
  type Attach,
  type Channel,
  type Link,
  type LinkMessage,
  type LinkNetwork,
  type Placement,
  type PlacementChanges,
  type PlacementView,
  readUpstreamEntry,
  SessionFlag,
  shardChannel,
  type UpstreamEntry,
  UpstreamKind,
  type Watch,
  writeDownstreamHead,
} from "@atlasnet/core";
import { ByteReader, ByteWriter, type DefinitionData } from "@atlasnet/world";
import { Arrivals } from "./arrivals.ts";

/** What one session gets in a batch. */
export interface SessionEntry {
  attach: number;
  slots?: readonly (readonly [slot: number, topicPlus1: number])[];
  private?: Uint8Array;
  full?: boolean;
  messages?: readonly { seq: number; index: number; payload: Uint8Array }[];
  ack?: number;
  resync?: number;
}

export interface TopicEntry {
  topic: number;
  delta?: Uint8Array;
  full?: Uint8Array;
}

export interface Batch {
  tick: number;
  dilation?: number;
  topics?: readonly TopicEntry[];
  sessions?: readonly SessionEntry[];
}

const NOTHING = new Uint8Array(0);

/** Writes a batch as core/src/wire/downstream.ts describes it. */
export function encodeBatch(batch: Batch): Uint8Array {
  const writer = new ByteWriter();
  writeDownstreamHead(writer, { tick: batch.tick, dilation: batch.dilation ?? 0 });
  const { topics = [], sessions = [] } = batch;
  writer.varint(topics.length);
  for (const { topic, delta = NOTHING, full = NOTHING } of topics) {
    writer.varint(topic);
    writer.block(delta);
    writer.block(full);
  }
  writer.varint(sessions.length);
  for (const entry of sessions) writeEntry(writer, entry);
  return writer.finish();
}

function writeEntry(writer: ByteWriter, entry: SessionEntry): void {
  const { slots, messages, ack, resync } = entry;
  writer.varint(entry.attach);
  writer.varint(
    (slots === undefined ? 0 : SessionFlag.slots) |
      (entry.private === undefined ? 0 : SessionFlag.private) |
      (entry.full === true ? SessionFlag.full : 0) |
      (messages === undefined ? 0 : SessionFlag.messages) |
      (ack === undefined ? 0 : SessionFlag.ack) |
      (resync === undefined ? 0 : SessionFlag.resync),
  );
  if (slots !== undefined) {
    writer.varint(slots.length);
    for (const [slot, topic] of slots) {
      writer.varint(slot);
      writer.varint(topic);
    }
  }
  if (entry.private !== undefined) writer.block(entry.private);
  if (messages !== undefined) {
    writer.varint(messages.length);
    for (const { seq, index, payload } of messages) {
      writer.varint(seq);
      writer.varint(index);
      writer.block(payload);
    }
  }
  if (ack !== undefined) writer.varint(ack);
  if (resync !== undefined) writer.varint(resync);
}

/** Placements that a test moves about. */
export class FakePlacements implements PlacementView {
  readonly complete = true;
  private readonly placements = new Map<string, Placement>();
  private readonly watchers = new Set<(changes: PlacementChanges) => void>();

  set(placement: Placement): void {
    this.placements.set(placement.world, placement);
    const changes = { shards: [placement.shard], worlds: [placement.world], gone: [] };
    for (const changed of this.watchers) changed(changes);
  }

  lookup(world: string): Placement | undefined {
    return this.placements.get(world);
  }

  placementOf(shard: string): Placement | undefined {
    return [...this.placements.values()].find((placement) => placement.shard === shard);
  }

  expects(): boolean {
    return false;
  }

  watch(changed: (changes: PlacementChanges) => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }
}

export const TEST_DEFINITION: DefinitionData = {
  name: "test",
  version: 1,
  tickRate: 20,
  space: null,
  components: [{ name: "spot", owner: false, fields: [["x", { kind: "uint", max: 255 }]] }],
  inputs: [],
  clientMessages: [{ name: "say", fields: [["text", { kind: "text", maxBytes: 1000 }]] }],
  serverMessages: [{ name: "said", fields: [["text", { kind: "text", maxBytes: 1000 }]] }],
  channels: [{ name: "news", public: true }],
  join: [],
  publicCells: false,
};

export interface Attachment {
  attach: number;
  session: number;
}

/**
 * A gameserver that a test plays by hand: it answers attaches, sends reliable messages back when
 * `echo` is on, and keeps what came.
 */
export class FakeGameserver {
  readonly attaches = new Arrivals<Attach>();
  readonly watches = new Arrivals<Watch>();
  readonly entries = new Arrivals<UpstreamEntry>();
  readonly others = new Arrivals<LinkMessage>();
  links: Link[] = [];
  epoch = 1;
  timeline = 1;
  tick = 100;
  /** What is answered to an attach: by default `attached`. */
  answer: "attached" | "world-unavailable" | "nothing" = "attached";
  echo = true;
  private readonly shard: string;
  private channel: Channel | undefined;
  private sessions = 0;
  private readonly outSeq = new Map<number, number>();
  private closeListener: (() => Promise<void>) | undefined;

  constructor(shard: string) {
    this.shard = shard;
  }

  async listen(network: LinkNetwork): Promise<void> {
    const listener = await network.listen((link) => {
      this.links.push(link);
      const channel = link.channel(shardChannel(this.shard));
      this.channel = channel;
      channel.onMessage((message) => this.receive(message));
    });
    this.closeListener = () => listener.close();
  }

  /** Breaks all links, as the death of the process would. */
  async die(): Promise<void> {
    for (const link of this.links) link.close({ code: "peer-gone" });
    this.links = [];
    await this.closeListener?.();
  }

  send(message: LinkMessage): void {
    this.channel?.send(message);
  }

  batch(batch: Omit<Batch, "tick"> & { tick?: number }): void {
    const tick = batch.tick ?? ++this.tick;
    this.send({
      type: "downstream",
      shard: this.shard,
      epoch: this.epoch,
      batch: encodeBatch({ ...batch, tick }),
    });
  }

  close(attach: number, code: "kicked" | "left" | "world-unavailable" | "unknown-topic"): void {
    const { shard, epoch } = this;
    this.send({ type: "closed", shard, epoch, attach, code, reason: code });
  }

  attached(message: Attach): void {
    const session = message.session ?? ++this.sessions;
    this.send({
      type: "attached",
      shard: this.shard,
      epoch: this.epoch,
      attach: message.attach,
      session,
      account: message.account,
      name: message.name,
      attempt: message.attempt,
      timeline: this.timeline,
      tick: this.tick,
      tickRate: 20,
      schema: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      ...(message.schema === undefined ? { definition: TEST_DEFINITION } : {}),
      appliedSeq: message.firstUnacked - 1,
      outSeq: message.lastReceived,
      lastInput: 0,
      graceTicks: 200,
    });
  }

  private receive(message: LinkMessage): void {
    switch (message.type) {
      case "attach":
        if (this.answer === "attached") this.attached(message);
        else if (this.answer !== "nothing") this.close(message.attach, this.answer);
        return this.attaches.add(message);
      case "watch":
        return this.watches.add(message);
      case "leave":
        this.close(message.attach, "left");
        return this.others.add(message);
      case "upstream": {
        const reader = new ByteReader(message.batch);
        while (reader.remaining > 0) this.entry(readUpstreamEntry(reader));
        return;
      }
      default:
        this.others.add(message);
    }
  }

  private entry(entry: UpstreamEntry): void {
    this.entries.add({ ...entry, payload: new Uint8Array(entry.payload) });
    if (!this.echo || entry.kind !== UpstreamKind.message) return;
    const seq = (this.outSeq.get(entry.attach) ?? 0) + 1;
    this.outSeq.set(entry.attach, seq);
    const { attach, index, payload, n } = entry;
    this.batch({ sessions: [{ attach, messages: [{ seq, index, payload }], ack: n }] });
  }
}
