import { type ByteReader, DecodeError } from "@atlasnet/world";
import type { DatagramStats } from "../datagram-stats.ts";
import { MAX_INPUTS_PER_PACKET } from "../limits.ts";
import type { ItemSink } from "../stream/frame-splitter.ts";
import { INPUT_NUMBER, messageNumber } from "./message-number.ts";

type InputIntakeStats = Pick<DatagramStats, "inputsDuplicate" | "inputsOutdated">;

/** The server's side of inputs: each is taken once, and none behind a newer one. */
export class InputIntake {
  private readonly sink: ItemSink;
  private readonly stats: InputIntakeStats;
  private hellos = 0;
  private welcomed = false;
  /** The highest serial that was handed out. */
  private highest = 0;

  constructor(sink: ItemSink, stats: InputIntakeStats) {
    this.sink = sink;
    this.stats = stats;
  }

  /** A hello came: inputs of the last one are worth nothing, those of this one wait for its welcome. */
  hello(): void {
    this.hellos += 1;
    this.welcomed = false;
  }

  /** A welcome was sent. */
  welcome(): void {
    this.welcomed = true;
  }

  /**
   * Reads what follows the frame's type. `open` is false while nothing may be handed out; the inputs are not
   * taken then, and their repeats may be. @throws DecodeError
   */
  read(reader: ByteReader, open: boolean): void {
    const hellos = reader.varint();
    const last = reader.varint();
    const count = reader.varint();
    if (count === 0 || count > MAX_INPUTS_PER_PACKET || count > last)
      throw new DecodeError(`an inputs frame of ${count} inputs up to number ${last}`);
    let taking = open && this.welcomed && hellos === this.hellos;
    if (open && !taking) this.stats.inputsOutdated += count;
    for (let serial = last - count + 1; serial <= last; serial++) {
      const item = reader.raw(reader.varint());
      if (messageNumber(item) !== INPUT_NUMBER)
        throw new DecodeError("an item in an inputs frame that is no input");
      if (!taking) continue;
      if (serial <= this.highest) {
        this.stats.inputsDuplicate += 1;
        continue;
      }
      this.highest = serial;
      taking = this.sink(item);
    }
  }
}
