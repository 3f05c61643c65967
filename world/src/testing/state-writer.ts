import { ByteWriter } from "../bytes.ts";
import { compileDefinition, defineWorld } from "../definition.ts";
import { text, uint } from "../fields.ts";
import { RecordOp } from "../section.ts";

/** Four topics, two public components and one that only owners see. */
export const definition = compileDefinition(
  defineWorld({
    name: "test",
    components: { at: { x: uint(255) }, name: { text: text(16) } },
    ownerComponents: { purse: { coins: uint(255) } },
    channels: { a: {}, b: {}, c: {}, d: {} },
  }).data,
);

export interface Values {
  at?: number;
  name?: string;
}

export const AT = 1;
export const NAME = 2;

/** Writes state messages and updates part by part, as docs/protocol.md has them. */
export class StateWriter {
  private readonly writer = new ByteWriter();

  /** Begins with these numbers: tick and flags of a state message, or the tick of updates. */
  constructor(...numbers: readonly number[]) {
    this.numbers(...numbers);
  }

  numbers(...values: readonly number[]): this {
    for (const value of values) this.writer.varint(value);
    return this;
  }

  head(previous: number, count: number): this {
    this.writer.u8(Math.min(previous, 15) | (Math.min(count, 15) << 4));
    if (previous >= 15) this.writer.varint(previous);
    if (count >= 15) this.writer.varint(count);
    return this;
  }

  private values(values: Values): this {
    if (values.at !== undefined) this.writer.u8(values.at);
    if (values.name !== undefined) this.writer.text(values.name);
    return this;
  }

  private mask(values: Values): number {
    return (values.at === undefined ? 0 : AT) | (values.name === undefined ? 0 : NAME);
  }

  update(index: number, values: Values): this {
    return this.numbers(this.mask(values) * 4 + RecordOp.update, index).values(values);
  }

  enter(index: number, id: number, values: Values): this {
    return this.numbers(this.mask(values) * 4 + RecordOp.enter, index, id).values(values);
  }

  leave(index: number, destination?: number): this {
    return destination === undefined
      ? this.numbers(RecordOp.leave, index)
      : this.numbers(4 + RecordOp.leave, index, destination);
  }

  drop(index: number, mask: number): this {
    return this.numbers(mask * 4 + RecordOp.drop, index);
  }

  /** An update: a section with its topic in front. */
  section(topic: number, origin: number, write: (section: StateWriter) => void): this {
    const section = new StateWriter();
    write(section);
    this.numbers(topic, origin);
    this.writer.block(section.done());
    return this;
  }

  raw(...bytes: readonly number[]): this {
    for (const byte of bytes) this.writer.u8(byte);
    return this;
  }

  done(): Uint8Array {
    return this.writer.finish();
  }
}
