import {
  type KeyValue,
  type LinkMessage,
  type MovedRecord,
  type PseudoRandom,
  replicaChannel,
} from "@atlasnet/core";
import type { SimPassage } from "@atlasnet/core/sim";
import { MirrorSteps } from "./aim-mirrors.ts";

/** Steps of a migration, and some of them of a mirror, each told of as it is reached. */
const STEPS: { readonly [type in LinkMessage["type"]]?: string } = {
  "replica-open": "opens",
  "replica-copy": "copies",
  "replica-delta": "follows",
  "replica-ready": "is ready",
  "shard-sealed": "seals",
  "replica-sealed": "is sealed",
  placed: "is placed",
  "replica-done": "is done",
};
/** A strike comes so long after its step at most, in ms: before or after the step has taken effect elsewhere. */
const LATE_MS = 40;

export interface AimOptions {
  /** That a step is struck at. */
  readonly chance: number;
}

export interface AimDependencies {
  readonly random: PseudoRandom;
  readonly gameservers: readonly string[];
  readonly proxies: readonly string[];
  readonly worlds: readonly string[];
  /** What is committed. */
  item(key: string): KeyValue | undefined;
  later(ms: number, run: () => void): void;
  crash(node: string): void;
  pause(node: string): void;
  /** It reaches no apiserver for a while. */
  isolate(node: string): void;
  cut(one: string, other: string): void;
  /** The leader of the apiservers is gone. */
  elect(): void;
}

/** Strikes at migrations and mirrors, step by step: chance alone seldom finds the moments that matter. */
export class Aim {
  /** By step. */
  readonly strikes = new Map<string, number>();
  private readonly options: AimOptions;
  private readonly deps: AimDependencies;
  /** What each shard's migration or mirror reached last. */
  private readonly reached = new Map<string, string>();
  private readonly mirrors: MirrorSteps;
  private isOver = false;

  constructor(options: AimOptions, dependencies: AimDependencies) {
    this.options = options;
    this.deps = dependencies;
    const { worlds, item } = dependencies;
    this.mirrors = new MirrorSteps({
      ...{ worlds, item },
      reached: (step, one, other) => this.step(step, one, other),
    });
  }

  sent(passage: SimPassage): void {
    const { from, to, channel, message } = passage;
    this.mirrors.sent(passage);
    const name = STEPS[message.type];
    if (name === undefined || !("shard" in message)) return;
    const step = channel === replicaChannel(message.shard, "mirror") ? `mirror: ${name}` : name;
    if (this.reached.get(message.shard) === step) return;
    this.reached.set(message.shard, step);
    this.step(step, from, to);
  }

  /** A transaction ended it, and nobody knows the answer yet. */
  ended({ outcome, from, to }: MovedRecord): void {
    this.step(outcome === "moved" ? "has switched" : "is given up", from, to);
  }

  /** Something was committed. */
  committed(): void {
    this.mirrors.committed();
  }

  /** No more strikes. */
  end(): void {
    this.isOver = true;
  }

  private step(step: string, one: string, other: string): void {
    const { random, later } = this.deps;
    if (this.isOver || random.float() >= this.options.chance) return;
    this.strikes.set(step, 1 + (this.strikes.get(step) ?? 0));
    later(random.float() * LATE_MS, () => {
      if (!this.isOver) this.strike(one, other);
    });
  }

  private strike(one: string, other: string): void {
    const { random, gameservers, proxies, ...deps } = this.deps;
    const pick = (from: readonly string[]) => from[random.int(0, from.length - 1)] ?? one;
    const proxy = pick(proxies);
    // One of both may be a proxy.
    const gameserver = pick([one, other].filter((node) => gameservers.includes(node)));
    const chance = random.float();
    if (chance < 0.3) deps.crash(gameserver);
    else if (chance < 0.4) deps.crash(proxy);
    else if (chance < 0.55) deps.pause(gameserver);
    else if (chance < 0.7) deps.cut(one, other);
    else if (chance < 0.8) deps.cut(gameserver, proxy);
    else if (chance < 0.9) deps.isolate(gameserver);
    else deps.elect();
  }
}
