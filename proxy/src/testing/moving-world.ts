import {
  ByteWriter,
  type CompiledDefinition,
  compileDefinition,
  defineWorld,
  RecordOp,
  text,
  uint,
} from "@atlasnet/world";

/** What an entity of a `MovingWorld` is at a tick; `name` is a component that it may lack. */
export interface Thing {
  readonly id: number;
  readonly topic: number;
  readonly at: number;
  readonly name: string | undefined;
}

interface Placed extends Thing {
  readonly index: number;
}

/** What happens in a tick. Entities are picked by any number. */
export interface Deeds {
  spawn: readonly number[];
  move: readonly (readonly [pick: number, topic: number])[];
  touch: readonly (readonly [pick: number, at: number, named: boolean])[];
  despawn: readonly number[];
}

export const NO_DEEDS: Deeds = { spawn: [], move: [], touch: [], despawn: [] };

const AT = 1;
const NAME = 2;
type WriteRecord = (writer: ByteWriter) => void;

/** A world of a few topics that entities move between; it writes its sections, and remembers all ticks. */
export class MovingWorld {
  readonly definition: CompiledDefinition = compileDefinition(
    defineWorld({ name: "moving", components: { at: { x: uint(255) }, name: { text: text(16) } } })
      .data,
  );
  /** By tick, from 0 on. */
  readonly past: ReadonlyMap<number, Thing>[] = [new Map()];
  private things = new Map<number, Placed>();
  private readonly lastChange: number[];
  private nextId = 1;

  constructor(topics: number) {
    this.lastChange = new Array<number>(topics).fill(0);
  }

  get tick(): number {
    return this.past.length - 1;
  }

  /** One tick on; returns the changed topics' sections. */
  step(deeds: Deeds): Map<number, Uint8Array> {
    const before = new Map(this.things);
    this.perform(deeds);
    this.past.push(new Map(this.things));
    const records: WriteRecord[][] = this.lastChange.map(() => []);
    for (const was of before.values()) this.writeGone(was, records);
    for (const is of this.things.values()) writeHere(is, before.get(is.id), records);
    const deltas = new Map<number, Uint8Array>();
    records.forEach((list, topic) => {
      if (list.length === 0) return;
      deltas.set(topic, section(this.tick - (this.lastChange[topic] ?? 0), list));
      this.lastChange[topic] = this.tick;
    });
    return deltas;
  }

  full(topic: number): Uint8Array {
    const inside = [...this.things.values()].filter((thing) => thing.topic === topic);
    return section(
      0,
      inside.map((thing) => (writer) => writeEnter(writer, thing)),
    );
  }

  private perform({ spawn, move, touch, despawn }: Deeds): void {
    for (const pick of despawn) this.things.delete(this.pick(pick)?.id ?? 0);
    for (const [pick, topic] of move) {
      const thing = this.pick(pick);
      if (thing === undefined || thing.topic === topic) continue;
      this.things.set(thing.id, { ...thing, topic, index: this.freeIndex(topic) });
    }
    for (const topic of spawn) {
      const id = this.nextId++;
      const index = this.freeIndex(topic);
      this.things.set(id, { id, topic, index, at: id % 256, name: "new" });
    }
    for (const [pick, at, named] of touch) {
      const thing = this.pick(pick);
      if (thing !== undefined)
        this.things.set(thing.id, { ...thing, at, name: named ? `n${at}` : undefined });
    }
  }

  private pick(number: number): Placed | undefined {
    return [...this.things.values()][number % Math.max(1, this.things.size)];
  }

  private freeIndex(topic: number): number {
    const used = new Set<number>();
    for (const thing of this.things.values()) if (thing.topic === topic) used.add(thing.index);
    let index = 0;
    while (used.has(index)) index += 1;
    return index;
  }

  /** Leaves and drops come before all else in a section. */
  private writeGone(was: Placed, records: readonly WriteRecord[][]): void {
    const is = this.things.get(was.id);
    const list = records[was.topic];
    if (is === undefined)
      list?.push((writer) => {
        writer.varint(RecordOp.leave);
        writer.varint(was.index);
      });
    else if (!staysAt(is, was))
      list?.push((writer) => {
        writer.varint(4 + RecordOp.leave);
        writer.varint(was.index);
        writer.varint(is.topic);
      });
    else if (was.name !== undefined && is.name === undefined)
      list?.push((writer) => {
        writer.varint(NAME * 4 + RecordOp.drop);
        writer.varint(is.index);
      });
  }
}

function staysAt(is: Placed, was: Placed): boolean {
  return is.topic === was.topic && is.index === was.index;
}

function writeHere(is: Placed, was: Placed | undefined, records: readonly WriteRecord[][]): void {
  const list = records[is.topic];
  if (was === undefined || !staysAt(is, was)) {
    list?.push((writer) => writeEnter(writer, is));
    return;
  }
  const mask =
    (is.at === was.at ? 0 : AT) | (is.name === was.name || is.name === undefined ? 0 : NAME);
  if (mask === 0) return;
  list?.push((writer) => {
    writer.varint(mask * 4 + RecordOp.update);
    writer.varint(is.index);
    writeValues(writer, is, mask);
  });
}

function writeEnter(writer: ByteWriter, thing: Placed): void {
  const mask = AT | (thing.name === undefined ? 0 : NAME);
  writer.varint(mask * 4 + RecordOp.enter);
  writer.varint(thing.index);
  writer.varint(thing.id);
  writeValues(writer, thing, mask);
}

function writeValues(writer: ByteWriter, { at, name }: Thing, mask: number): void {
  if (mask & AT) writer.u8(at);
  if (mask & NAME) writer.text(name ?? "");
}

function section(previous: number, records: readonly WriteRecord[]): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(Math.min(previous, 15) | (Math.min(records.length, 15) << 4));
  if (previous >= 15) writer.varint(previous);
  if (records.length >= 15) writer.varint(records.length);
  for (const write of records) write(writer);
  return writer.finish();
}
