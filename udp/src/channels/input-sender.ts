import type { DatagramStats } from "../datagram-stats.ts";
import {
  INPUT_CADENCE_MS,
  INPUT_COPIES,
  INPUT_REPEAT_MS,
  MAX_INPUTS_PER_PACKET,
} from "../limits.ts";
import { FRAME_INPUTS } from "../packet/frames.ts";
import { type PacketWriter, varintBytes } from "../packet/packet-writer.ts";

/** Most bytes of an inputs frame in front of its items, beyond those of its three varints. */
const TYPE_BYTES = 1;

type InputSenderStats = Pick<DatagramStats, "inputsRepeated" | "inputsDisplaced">;

interface Held {
  readonly item: Uint8Array;
  /** Packets that carried it. */
  copies: number;
}

/**
 * A client's newest inputs. Each goes into INPUT_COPIES packets, whatever else these are sent for, or
 * until MAX_INPUTS_PER_PACKET newer ones displace it.
 *
 * Only the first time it is a reason to send a packet; a second time when nothing else was sent for a
 * while, so that the last of a row is not lost with one packet. That while is INPUT_REPEAT_MS, or a bit more
 * than the time between inputs when they come regularly: the next one carries the repeat then.
 */
export class InputSender {
  /** Oldest first, at most MAX_INPUTS_PER_PACKET. An older one has no fewer copies than a newer. */
  private readonly held: Held[] = [];
  /** How many inputs there were: the serial of the newest. */
  private serial = 0;
  /** When an input last went out for the first time. */
  private freshAt = Number.NEGATIVE_INFINITY;

  private readonly stats: InputSenderStats;

  /** When the newest input has to be repeated by a packet of its own; Infinity: not. */
  repeatAt = Number.POSITIVE_INFINITY;

  constructor(stats: InputSenderStats) {
    this.stats = stats;
  }

  /** Whether an input waits that no packet carried. */
  get fresh(): boolean {
    return this.held[this.held.length - 1]?.copies === 0;
  }

  push(item: Uint8Array): void {
    this.serial += 1;
    if (this.held.length === MAX_INPUTS_PER_PACKET && this.held.shift()?.copies === 0)
      this.stats.inputsDisplaced += 1;
    this.held.push({ item: item.slice(), copies: 0 });
  }

  /** Forgets what is held: it belongs to an earlier hello. */
  clear(): void {
    for (const input of this.held) if (input.copies === 0) this.stats.inputsDisplaced += 1;
    this.held.length = 0;
    this.repeatAt = Number.POSITIVE_INFINITY;
  }

  /** Writes those that still have to be carried, as far as they fit; the newest before older ones. */
  write(writer: PacketWriter, hellos: number, now: number): void {
    const { held } = this;
    let first = held.length;
    let room =
      writer.room - TYPE_BYTES - varintBytes(hellos) - varintBytes(this.serial) - varintBytes(8);
    while (first > 0) {
      const older = held[first - 1];
      if (older === undefined || older.copies >= INPUT_COPIES) break;
      room -= varintBytes(older.item.length) + older.item.length;
      if (room < 0) break;
      first -= 1;
    }
    if (first === held.length) return;
    writer.u8(FRAME_INPUTS);
    writer.varint(hellos);
    writer.varint(this.serial);
    writer.varint(held.length - first);
    for (let i = first; i < held.length; i++) {
      const input = held[i];
      if (input === undefined) continue;
      if (input.copies > 0) this.stats.inputsRepeated += 1;
      input.copies += 1;
      writer.varint(input.item.length);
      writer.raw(input.item);
    }
    this.repeatAt = Number.POSITIVE_INFINITY;
    if (held[held.length - 1]?.copies === 1) {
      this.repeatAt = now + repeatDelay(now - this.freshAt);
      this.freshAt = now;
    }
    while (held[0] !== undefined && held[0].copies >= INPUT_COPIES) held.shift();
  }
}

/** `cadenceMs`: the time between the last two inputs. */
function repeatDelay(cadenceMs: number): number {
  const nextMs = cadenceMs * 1.25;
  return nextMs > INPUT_CADENCE_MS ? INPUT_REPEAT_MS : Math.max(INPUT_REPEAT_MS, nextMs);
}
