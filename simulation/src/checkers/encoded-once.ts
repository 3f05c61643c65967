import type { Violations } from "@atlasnet/apiserver/sim";
import type { SimPassage } from "@atlasnet/core/sim";
import { readBatch } from "./batch.ts";
import type { Checker } from "./checker.ts";

/**
 * Rule 3.2: a change is encoded once per topic and tick. A proxy gets a topic once in a tick, however many of its
 * players see it, and every proxy gets the same bytes.
 */
export class EncodedOnce implements Checker {
  readonly rule = "3.2 a topic is encoded once in a tick";
  looked = 0;
  private readonly violations: Violations;
  /** What a tick's topics are, as the first proxy got them; of the last tick of each shard. */
  private readonly last = new Map<string, { readonly tick: number; readonly sections: Sections }>();

  constructor({ violations }: { readonly violations: Violations }) {
    this.violations = violations;
  }

  sent({ from, to, message }: SimPassage): void {
    if (message.type !== "downstream") return;
    const { shard, epoch, batch } = message;
    const { tick, topics } = readBatch(batch);
    const key = `${from} ${shard} ${epoch}`;
    const known = this.last.get(key);
    const sections: Sections = known?.tick === tick ? known.sections : new Map();
    this.last.set(key, { tick, sections });
    const seen = new Set<number>();
    for (const { topic, delta, full } of topics) {
      this.looked += 1;
      const where = `topic ${topic} of ${shard} at tick ${tick} from ${from} to ${to}`;
      if (seen.has(topic)) this.violations.add(this.rule, `${where} is in its batch twice`);
      seen.add(topic);
      for (const [kind, bytes] of Object.entries({ delta, full })) {
        if (bytes.length === 0) continue;
        const before = sections.get(`${topic} ${kind}`);
        if (before === undefined) sections.set(`${topic} ${kind}`, bytes);
        else if (Buffer.compare(before, bytes) !== 0)
          this.violations.add(this.rule, `${where}: another ${kind} than to others`);
      }
    }
  }
}

type Sections = Map<string, Uint8Array>;
