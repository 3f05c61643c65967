import type { Random } from "@atlasnet/core";
import { ENTRY_OVERHEAD_BYTES } from "../core/options.ts";
import type { Entry, ReadAnswer } from "../core/types.ts";
import { Acknowledged } from "./checkers/acknowledged.ts";
import { Linearizable } from "./checkers/linearizable.ts";
import { encodeCommand } from "./command.ts";
import type { SimNode } from "./sim-node.ts";

interface Write {
  readonly value: number;
  readonly term: number;
  readonly calledAt: number;
}

/** Clients that write and read through whoever claims to lead, and keep books of the answers. */
export class Clients {
  readonly acknowledged = new Acknowledged();
  private readonly history = new Linearizable();
  /** Per node what it still has to answer; a crash forgets it. */
  private readonly writes = new Map<string, Map<number, Write>>();
  private readonly reads = new Map<string, Map<number, number>>();
  private readonly random: Random;
  private counter = 0;
  readCount = 0;

  constructor(random: Random) {
    this.random = random;
  }

  /** The value that was written, if the node took it. */
  write(node: SimNode): number | undefined {
    const calledAt = this.history.call();
    const count = this.random.float() < 0.2 ? this.random.int(2, 5) : 1;
    const first = this.counter + 1;
    this.counter += count;
    const commands = Array.from({ length: count }, (_, at) =>
      encodeCommand(first + at, this.random.int(0, ENTRY_OVERHEAD_BYTES)),
    );
    const result = node.core.propose(commands);
    if (!result.ok) return undefined;
    const writes = of(this.writes, node.id);
    for (let at = 0; at < count; at++)
      writes.set(result.firstIndex + at, { value: first + at, term: result.term, calledAt });
    return first;
  }

  read(node: SimNode): void {
    const context = ++this.counter;
    of(this.reads, node.id).set(context, this.history.call());
    node.core.readIndex(context);
  }

  onApply(node: SimNode, entry: Entry): void {
    const writes = this.writes.get(node.id);
    const write = writes?.get(entry.index);
    if (!writes || !write) return;
    writes.delete(entry.index);
    // Another leader's entry took the place: this write was not acknowledged, and never will be.
    if (write.term !== entry.term) return;
    this.history.answerWrite(write.calledAt, entry.index);
    this.acknowledged.add(write.value);
  }

  /** `applied` is what the node's state machine shows to a read that is served now. */
  onRead(node: SimNode, answer: ReadAnswer, applied: number): void {
    const calledAt = this.reads.get(node.id)?.get(answer.context);
    this.reads.get(node.id)?.delete(answer.context);
    // It sees at least the index it was promised, and what happens to be applied beyond.
    if (!answer.ok || calledAt === undefined) return;
    this.readCount++;
    this.history.answerRead(calledAt, Math.max(answer.index, applied));
  }

  onCrash(id: string): void {
    this.writes.delete(id);
    this.reads.delete(id);
  }
}

function of<V>(map: Map<string, Map<number, V>>, id: string): Map<number, V> {
  const found = map.get(id);
  if (found) return found;
  const made = new Map<number, V>();
  map.set(id, made);
  return made;
}
