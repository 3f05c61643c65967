import { type ToProxy, writeDownstreamHead } from "@atlasnet/core";
import { ByteWriter, type CompiledDefinition } from "@atlasnet/world";
import type { Attachment } from "./attachment.ts";
import type { ShardEntity } from "./entity.ts";
import type { ShardOptions } from "./shard-options.ts";
import type { Store } from "./store.ts";
import { Record, type Topic, type Topics } from "./topics.ts";

type Peers = ReadonlyMap<number, ReadonlyMap<number, Attachment>>;

/**
 * Encodes what a tick sends: for every proxy one batch (core/src/wire/downstream.ts), each topic in it
 * once, and for every client what is its alone.
 */
export class Downstream {
  private readonly definition: CompiledDefinition;
  private readonly topics: Topics;
  private readonly store: Store;
  /** After a tick: some client has messages left for the next one. */
  behind = false;
  private welcomes: { attachment: Attachment; withDefinition: boolean }[] = [];
  private readonly batch = new ByteWriter();
  private readonly privateWriter = new ByteWriter();
  /** Per session, the private records of this tick: their count and bytes. */
  private readonly records = new Map<number, { count: number; writer: ByteWriter }>();

  constructor(definition: CompiledDefinition, topics: Topics, store: Store) {
    this.definition = definition;
    this.topics = topics;
    this.store = store;
  }

  /** Queues the answer to an attach; it goes out before the first batch. */
  welcome(attachment: Attachment, withDefinition: boolean): void {
    this.welcomes.push({ attachment, withDefinition });
  }

  flush(
    options: ShardOptions,
    peers: Peers,
    dilation: number,
  ): { peer: number; message: ToProxy }[] {
    const { shard, epoch } = options;
    const out: { peer: number; message: ToProxy }[] = [];
    for (const { attachment, withDefinition } of this.welcomes)
      if (peers.get(attachment.peer)?.get(attachment.number) === attachment)
        out.push({
          peer: attachment.peer,
          message: this.attached(attachment, options, withDefinition),
        });
    this.welcomes = [];
    const grid = this.definition.grid;
    for (const attachments of peers.values())
      for (const attachment of attachments.values())
        if (attachment.session !== undefined)
          attachment.updateView(attachment.session, this.store.entities, this.topics, grid);
    const changed = this.topics.encodeDeltas(this.store.tick);
    this.collectPrivate();
    this.behind = false;
    for (const [peer, attachments] of peers) {
      const batch = this.encodeBatch(peer, attachments, changed, dilation);
      if (batch !== undefined)
        out.push({ peer, message: { type: "downstream", shard, epoch, batch } });
    }
    this.records.clear();
    return out;
  }

  private attached(
    attachment: Attachment,
    options: ShardOptions,
    withDefinition: boolean,
  ): ToProxy {
    const { session } = attachment;
    if (session === undefined) throw new Error("a watcher is not welcomed");
    const { data, hash } = this.definition;
    return {
      type: "attached",
      shard: options.shard,
      epoch: options.epoch,
      attach: attachment.number,
      session: session.id,
      account: session.account,
      name: session.name,
      attempt: session.attempt,
      timeline: options.timeline,
      tick: this.store.tick,
      tickRate: data.tickRate,
      schema: hash,
      ...(withDefinition ? { definition: data } : {}),
      appliedSeq: session.appliedSeq,
      outSeq: attachment.sharedSeq ?? session.outSeq,
      lastInput: session.lastInput,
      graceTicks: options.graceTicks,
    };
  }

  private encodeBatch(
    peer: number,
    attachments: ReadonlyMap<number, Attachment>,
    changed: readonly Topic[],
    dilation: number,
  ): Uint8Array | undefined {
    const { batch, topics } = this;
    const { tick } = this.store;
    const sent = changed.filter((topic) => topic.followers.has(peer));
    const full = new Set<Topic>();
    const news: Attachment[] = [];
    for (const attachment of attachments.values()) {
      if (attachment.full) for (const topic of attachment.topics()) full.add(topic);
      else for (const topic of attachment.fresh) full.add(topic);
      if (attachment.hasNews() || this.hasRecords(attachment)) news.push(attachment);
    }
    for (const topic of full) if (topic.lastTick !== tick) sent.push(topic);
    // Once a second even where nothing happens, so that the proxy knows the time of the world.
    const beat = tick % this.definition.data.tickRate === 0;
    if (sent.length + news.length + dilation === 0 && !beat) return undefined;
    batch.reset();
    writeDownstreamHead(batch, { tick, dilation });
    batch.varint(sent.length);
    for (const topic of sent) {
      batch.varint(topic.id);
      if (topic.lastTick === tick) batch.block(topics.deltaOf(topic));
      else batch.varint(0);
      if (full.has(topic)) batch.block(topics.encodeFull(topic));
      else batch.varint(0);
    }
    batch.varint(news.length);
    for (const attachment of news) {
      attachment.write(batch, this.privateRecords(attachment));
      this.behind ||= attachment.isBehind;
    }
    return batch.finish();
  }

  private hasRecords(attachment: Attachment): boolean {
    const { session } = attachment;
    return this.records.size > 0 && session !== undefined && this.records.has(session.id);
  }

  /** Private records of entities whose owner, or whose owner-only components, changed. */
  private collectPrivate(): void {
    for (const entity of this.store.entities.dirty) {
      if (!entity.$dirty) continue;
      const { $ownerBefore: before, $owner: after } = entity;
      if (before !== 0 && (before !== after || !entity.alive))
        this.record(before, (writer) => {
          writer.varint(Record.leave);
          writer.varint(entity.id);
        });
      if (after === 0 || !entity.alive) continue;
      if (before !== after || entity.$spawned) this.own(after, entity);
      else this.updateOwned(after, entity);
    }
  }

  private own(session: number, entity: ShardEntity): void {
    this.record(session, (writer) => this.writeOwn(writer, entity));
  }

  private updateOwned(session: number, entity: ShardEntity): void {
    const { topics } = this;
    const dropped = topics.ownerMask(entity.$removed & ~entity.$mask);
    if (dropped !== 0)
      this.record(session, (writer) => {
        writer.varint((topics.wireMask(dropped) << 2) | Record.drop);
        writer.varint(entity.id);
      });
    const changed = topics.ownerMask(entity.$touched & entity.$mask);
    if (changed !== 0)
      this.record(session, (writer) => {
        writer.varint((topics.wireMask(changed) << 2) | Record.update);
        writer.varint(entity.id);
        topics.writeOwnerComponents(writer, entity, changed);
      });
  }

  private writeOwn(writer: ByteWriter, entity: ShardEntity): void {
    const mask = this.topics.ownerMask(entity.$mask);
    writer.varint((this.topics.wireMask(mask) << 2) | Record.enter);
    writer.varint(entity.id);
    this.topics.writeOwnerComponents(writer, entity, mask);
  }

  private record(session: number, write: (writer: ByteWriter) => void): void {
    let records = this.records.get(session);
    if (records === undefined) {
      records = { count: 0, writer: new ByteWriter(64) };
      this.records.set(session, records);
    }
    records.count += 1;
    write(records.writer);
  }

  /** Count and records for one client; everything it owns when it takes full state. */
  private privateRecords(attachment: Attachment): Uint8Array | undefined {
    const { session } = attachment;
    if (session === undefined) return undefined;
    const writer = this.privateWriter;
    writer.reset();
    if (attachment.full) {
      const owned = this.store.entities.ownedBySession(session.id);
      writer.varint(owned.length);
      for (const entity of owned) this.writeOwn(writer, entity);
      return writer.view8();
    }
    const records = this.records.get(session.id);
    if (records === undefined) return undefined;
    writer.varint(records.count);
    writer.raw(records.writer.view8());
    return writer.view8();
  }
}
