import assert from "node:assert/strict";
import { ByteReader, type MirrorChanges, StateFlag, WorldMirror } from "@atlasnet/world";
import type { SentUpdates } from "../gateway/client-connection.ts";
import type { FeedOutput } from "../session/client-feed.ts";
import type { MovingWorld } from "./moving-world.ts";
import { readCbor } from "./read-cbor.ts";

/** What the network does to one packet of updates: ticks until each copy of it arrives; none: lost. */
export interface Fate {
  readonly copies: readonly number[];
  /** Ticks until the sender learns that it is lost. */
  readonly noticed: number;
}

/** A subscribed topic, as far as the client has read: its full state's origin and tick, and its last tick. */
export interface HeldTopic {
  readonly topic: number;
  origin: number;
  since: number;
  tick: number;
}

/** An update, as its head says. */
interface UpdateHead {
  readonly topic: number;
  readonly origin: number;
  readonly tick: number;
  readonly previous: number;
}

/** A client and its path. Frames arrive in order after `streamDelay` ticks, updates as their fate is. */
export class UpdateClient implements FeedOutput {
  readonly framing = "length";
  readonly updates: FeedOutput["updates"];
  backlogBytes = 0;
  resyncs = 0;
  answered = 0;
  gaps = 0;
  readonly mirror: WorldMirror;
  readonly stream: { at: number; item: unknown }[] = [];
  readonly packets: { at: number; packed: Uint8Array }[] = [];
  readonly losses: { at: number; sent: SentUpdates }[] = [];
  private readonly slots = new Map<number, HeldTopic>();
  private origins = 0;
  private readonly heads: UpdateHead[] = [];
  /** What the next packets of updates meet; then they arrive at once. */
  fates: Fate[] = [];
  streamDelay = 0;
  private readonly world: MovingWorld;
  private readonly watch: (changes: MirrorChanges) => void;

  constructor(
    world: MovingWorld,
    options: { maxBytes: number | undefined; watch?: (changes: MirrorChanges) => void },
  ) {
    const { maxBytes } = options;
    this.world = world;
    this.watch = options.watch ?? (() => {});
    this.mirror = new WorldMirror(world.definition);
    this.updates =
      maxBytes === undefined
        ? undefined
        : { maxBytes, send: (packed, sent) => this.sendUpdates(packed, sent, maxBytes) };
  }

  private sendUpdates(packed: Uint8Array, sent: SentUpdates, maxBytes: number): void {
    assert.ok(packed.length <= maxBytes && sent.topics.length > 0);
    const { copies, noticed } = this.fates.shift() ?? { copies: [0], noticed: 0 };
    const { tick } = this.world;
    for (const copy of copies) this.packets.push({ at: tick + copy, packed: packed.slice() });
    if (copies.length === 0) this.losses.push({ at: tick + noticed, sent });
  }

  sendFrames(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes);
    const at = Math.max(this.world.tick + this.streamDelay, this.stream.at(-1)?.at ?? 0);
    while (reader.remaining > 0) this.stream.push({ at, item: readCbor(reader.block(1e9)) });
  }

  /** Hands over what has arrived: `updatesFirst` or the stream's items before. */
  arrive(updatesFirst: boolean): void {
    if (updatesFirst) this.arriveUpdates();
    for (;;) {
      const first = this.stream[0];
      if (first === undefined || first.at > this.world.tick) break;
      this.stream.shift();
      const { item } = first;
      assert.ok(Array.isArray(item) && item[1] instanceof Uint8Array);
      if (item[0] === 1) this.readState(item[1]);
      else if (item[0] === 10) this.readUpdates(item[1]);
      else assert.fail(`message ${item[0]}`);
    }
    this.arriveUpdates();
  }

  private arriveUpdates(): void {
    const due = this.packets.filter(({ at }) => at <= this.world.tick);
    for (const packet of due) {
      this.packets.splice(this.packets.indexOf(packet), 1);
      this.readUpdates(packet.packed);
    }
  }

  private readUpdates(packed: Uint8Array): void {
    const reader = new ByteReader(packed);
    const tick = reader.varint();
    while (reader.remaining > 0) {
      const [topic, origin] = [reader.varint(), reader.varint()];
      const head = new ByteReader(reader.block(1e9));
      const low = head.u8() & 15;
      this.heads.push({ topic, origin, tick, previous: low < 15 ? low : head.varint() });
    }
    this.see(this.mirror.applyUpdates(packed, 0));
  }

  private readState(packed: Uint8Array): void {
    const reader = new ByteReader(packed);
    const tick = reader.varint();
    const flags = reader.varint();
    if (flags & StateFlag.slots)
      for (let left = reader.varint(); left > 0; left--)
        this.slots.set(reader.varint(), {
          topic: reader.varint() - 1,
          origin: 0,
          since: 0,
          tick: 0,
        });
    assert.equal(flags & ~(StateFlag.slots | StateFlag.ownAll), 0, "the mask follows");
    const mask = this.slots.size > 0 ? reader.u8() : 0;
    if (mask > 0) this.origins += 1;
    for (const [slot, held] of this.slots)
      if ((mask >> slot) & 1) Object.assign(held, { origin: this.origins, since: tick, tick });
    this.see(this.mirror.apply(packed));
  }

  /** By topic what the client holds, with the ticks that the updates it was given take it to. */
  held(): ReadonlyMap<number, HeldTopic> {
    const all = [...this.slots.values()].filter(({ topic, origin }) => topic >= 0 && origin > 0);
    for (const held of all) {
      const next = ({ topic, origin, tick, previous }: UpdateHead) =>
        topic === held.topic &&
        origin === held.origin &&
        tick > held.tick &&
        tick - previous <= held.tick;
      for (let head = this.heads.find(next); head; head = this.heads.find(next))
        held.tick = head.tick;
    }
    return new Map(all.map((held) => [held.topic, held]));
  }

  private see(changes: MirrorChanges): void {
    if (changes.gap) this.gaps += 1;
    this.watch(changes);
  }

  sendSections(): void {}
  applied(): void {}
  requestResync(): void {
    this.resyncs += 1;
  }
  overflowed(): void {
    assert.fail("nothing reliable is sent");
  }
}
