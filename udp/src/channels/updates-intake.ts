import type { DatagramStats } from "../datagram-stats.ts";
import { MAX_EARLY_UPDATES, MAX_PACKET_BYTES } from "../limits.ts";
import type { ItemSink } from "../stream/frame-splitter.ts";

/** Head of a CBOR array of two, and the number of the message "updates". */
const ARRAY_OF_TWO = 0x82;
const UPDATES_NUMBER = 0x0a;
const HEAD_BYTES = 5;

interface Early {
  readonly generation: number;
  readonly packed: Uint8Array;
}

type UpdatesIntakeStats = Pick<DatagramStats, "updatesOutdated" | "updatesOverflowed">;

/**
 * The client's side of state frames: updates of the welcome that was handed out last go on as items
 * `[10, packed]`, earlier ones are dropped, later ones wait for their welcome.
 */
export class UpdatesIntake {
  private readonly sink: ItemSink;
  private readonly stats: UpdatesIntakeStats;
  private welcomes = 0;
  private early: Early[] = [];
  private scratch: Uint8Array | undefined;

  constructor(sink: ItemSink, stats: UpdatesIntakeStats) {
    this.sink = sink;
    this.stats = stats;
  }

  take(generation: number, packed: Uint8Array): void {
    if (generation === this.welcomes) this.hand(packed);
    else if (generation < this.welcomes) this.stats.updatesOutdated += 1;
    else if (this.early.length < MAX_EARLY_UPDATES)
      this.early.push({ generation, packed: packed.slice() });
    else {
      // The gaps that this makes are seen by who applies updates, and mended by a resync.
      this.stats.updatesOverflowed += this.early.length + 1;
      this.early = [];
    }
  }

  /** A welcome was handed out: what waited for it follows. */
  welcome(): void {
    this.welcomes += 1;
    if (this.early.length === 0) return;
    const waiting = this.early;
    this.early = waiting.filter(({ generation }) => generation > this.welcomes);
    for (const { generation, packed } of waiting)
      if (generation === this.welcomes && !this.hand(packed)) return;
  }

  private hand(packed: Uint8Array): boolean {
    this.scratch ??= new Uint8Array(MAX_PACKET_BYTES + HEAD_BYTES);
    const item = this.scratch;
    item[0] = ARRAY_OF_TWO;
    item[1] = UPDATES_NUMBER;
    const body = byteStringHead(item, packed.length);
    item.set(packed, body);
    return this.sink(item.subarray(0, body + packed.length));
  }
}

/** Writes the head of a CBOR byte string from byte 2 on, and returns where its bytes begin. */
function byteStringHead(item: Uint8Array, length: number): number {
  if (length < 24) {
    item[2] = 0x40 | length;
    return 3;
  }
  if (length < 0x100) {
    item[2] = 0x58;
    item[3] = length;
    return 4;
  }
  item[2] = 0x59;
  item[3] = length >>> 8;
  item[4] = length & 0xff;
  return 5;
}
