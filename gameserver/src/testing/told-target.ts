import { crc32 } from "node:zlib";
import type { ReplicaDelta, ReplicaPiece, ToReplica } from "@atlasnet/core";
import { defineWorld } from "@atlasnet/world";
import { newReplicaCounts } from "../replica/counts.ts";
import { ReplicaTarget } from "../replica/target.ts";
import type {
  ReplicaTargetOptions,
  TargetEffect,
  TargetEvent,
  TargetFact,
} from "../replica/target-types.ts";

/** A ReplicaTarget that is told what its link and its thread would, with words for what it answers. */

export const { data: definition } = defineWorld({ name: "mini", components: {} });
export const shard = "arena/0";
export const epoch = 7;
export const about = { shard, epoch };
export const hash = new Uint8Array(16).fill(3);

export function copyOf(
  copy: number,
  more: { tick?: number; bytes?: number; offset?: number } = {},
): ToReplica {
  const facts = { tick: 100, bytes: 0, offset: 0, timeline: 2, tickRate: 20, definition };
  return { type: "replica-copy", ...about, copy, ...facts, ...more };
}

export function pieceOf(text: string, offset: number, last: boolean, copy = 1): ReplicaPiece {
  const data = new TextEncoder().encode(text);
  return { type: "replica-piece", ...about, copy, offset, data, crc: crc32(data), last };
}

export function deltaOf(previous: number, tick: number): ReplicaDelta {
  const data = Uint8Array.of(tick & 255);
  return { type: "replica-delta", ...about, previous, tick, data, crc: crc32(data) };
}

export const sealedAt = (tick: number): ToReplica => ({
  type: "replica-sealed",
  ...about,
  tick,
  hash,
  dueMs: 30,
});

export class ToldTarget {
  readonly counts = newReplicaCounts();
  readonly target: ReplicaTarget;
  now = 1000;

  constructor(options: Partial<ReplicaTargetOptions> = {}) {
    this.target = new ReplicaTarget(
      { shard, epoch, id: "1f", boot: "b2", keeps: true, ...options },
      { checksum: (bytes) => crc32(bytes), counts: this.counts },
    );
  }

  tell(event: TargetEvent): readonly TargetEffect[] {
    return this.target.handle(event, this.now);
  }

  hear(...messages: ToReplica[]): readonly TargetEffect[] {
    return messages.flatMap((message) => this.tell({ type: "message", message }));
  }

  thread(...facts: TargetFact[]): readonly TargetEffect[] {
    return facts.flatMap((message) => this.tell({ type: "thread", message }));
  }

  at(bytes: number, tick: number, its: Uint8Array = hash): readonly TargetEffect[] {
    const of = tick > 0 ? { hash: its } : {};
    return this.thread({ type: "replica-at", shard, bytes, tick, ...of });
  }

  /** A link, a copy that the thread waits for. */
  opened(): this {
    this.tell({ type: "link-up" });
    this.hear(copyOf(1));
    this.thread({ type: "replica-open", shard });
    return this;
  }

  /** The whole copy of tick 100, "abcd", and two deltas. */
  following(): this {
    this.opened().hear(pieceOf("ab", 0, false), pieceOf("cd", 2, true));
    this.at(4, 100);
    this.hear(deltaOf(100, 101), deltaOf(101, 103));
    this.at(4, 103);
    return this;
  }
}

/** What is sent, and what is told the shell, in words. */
export function inWords(effects: readonly TargetEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.type === "send") {
      const { type, shard: _, epoch: __, ...rest } = effect.message;
      return [type, ...Object.values(rest)].join(" ");
    }
    if (effect.type === "thread") return `thread: ${effect.message.type}`;
    if (effect.type === "failed") return `failed ${effect.code}: ${effect.reason}`;
    return effect.type;
  });
}
