import { encodeSection, encodeTopicDatagram, partRoom, type TopicAddress } from "@atlasnet/core";

/** What a topic keeps for those who missed something; beyond either, the oldest goes. */
export const KEPT_DATAGRAMS = 256;
export const KEPT_BYTES = 256 * 1024;

interface Base {
  /** Datagrams up to this number are in it. */
  number: number;
  tick: number;
  section: Uint8Array;
}

/** What helps a watcher: datagrams in order, full state first if need be; undefined: full state is needed first. */
export type Filling = { full: boolean; items: readonly Uint8Array[] } | undefined;

const NOTHING = new Uint8Array(0);

/**
 * One numbering of a topic's changes: cuts sections into datagrams, and keeps the last of them.
 *
 * 1. Numbers are consecutive; every change takes at least one, whether or not it can be sent.
 * 2. The datagrams kept are the last ones, without a hole.
 */
export class TopicLog {
  readonly address: TopicAddress;
  private readonly room: number;
  private readonly kept: Uint8Array[] = [];
  private keptBytes = 0;
  private tick = 0;
  private base: Base | undefined;
  /** Number of the last datagram; 0 before the first. */
  last = 0;

  constructor(address: TopicAddress) {
    this.address = address;
    this.room = partRoom(address);
  }

  /** Changes count from the first full state on: before it nobody could apply them. */
  get hasBegun(): boolean {
    return this.base !== undefined || this.last > 0;
  }

  /** The topic's full state after all changes so far. */
  full(tick: number, section: Uint8Array): void {
    this.tick = tick;
    this.base = { number: this.last, tick, section: section.slice() };
  }

  /** Numbers a tick's changes; the datagrams to send. None when they are too large: watchers fetch full state. */
  delta(tick: number, section: Uint8Array): readonly Uint8Array[] {
    this.tick = tick;
    const datagrams = encodeSection(this.address, this.room, {
      number: this.last + 1,
      tick,
      section,
    });
    if (datagrams === undefined) {
      this.last += 1;
      this.kept.length = 0;
      this.keptBytes = 0;
      return [];
    }
    this.last += datagrams.length;
    for (const datagram of datagrams) {
      this.kept.push(datagram);
      this.keptBytes += datagram.length;
    }
    while (this.kept.length > KEPT_DATAGRAMS || this.keptBytes > KEPT_BYTES)
      this.keptBytes -= this.kept.shift()?.length ?? 0;
    return datagrams;
  }

  /** Nothing but the number of the last datagram. */
  signOfLife(): Uint8Array {
    const { last, tick } = this;
    return encodeTopicDatagram({
      ...this.address,
      number: last,
      tick,
      part: 0,
      parts: 0,
      section: NOTHING,
    });
  }

  /** What comes behind datagram `after`; with undefined, or when that is too long ago, full state. */
  fill(after: number | undefined): Filling {
    const { base, kept, last } = this;
    const first = last - kept.length + 1;
    if (after !== undefined && after >= first - 1 && after <= last)
      return { full: false, items: kept.slice(after - first + 1) };
    if (base === undefined || base.number < first - 1) return undefined;
    const full = encodeTopicDatagram({ ...this.address, ...base, part: 0, parts: 1 });
    return { full: true, items: [full, ...kept.slice(base.number - first + 1)] };
  }
}
