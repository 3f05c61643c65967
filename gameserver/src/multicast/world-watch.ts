import {
  type Clock,
  MAX_SECTION_BYTES,
  type Timer,
  type ToProxy,
  type ToShard,
  UpstreamBatch,
  UpstreamKind,
} from "@atlasnet/core";
import { type DefinitionData, schemaHash } from "@atlasnet/world";
import { type Filling, TopicLog } from "./topic-log.ts";
import { readWatchBatch } from "./watch-batch.ts";

/** A watch that the shard could not take now is asked for again after this long. */
const RETRY_MS = 250;

export interface WorldWatchOptions {
  server: string;
  world: string;
  topics: readonly string[];
  /** Follow topics that are not public, too. */
  authorized: boolean;
}

export interface WorldWatchDependencies {
  clock: Clock;
  /** Sends over the link, if there is one. */
  toShard(message: ToShard): void;
  /** Sends a topic's datagrams to the group. */
  publish(datagrams: readonly Uint8Array[]): void;
  tooLarge(): void;
  nextAttach(): number;
  /** A number above all given out before, also by earlier processes. */
  nextRun(): number;
  /** A topic cannot be followed: said once per epoch. */
  refused(topic: string, reason: string): void;
}

export type FillOutcome =
  | { ok: true; filling: NonNullable<Filling> }
  | { ok: false; reason: "unknown-topic" | "not-running" | "too-large" | "too-late" };

interface Followed {
  readonly name: string;
  attach: number;
  /** Its number in the shard, once known. */
  topic: number | undefined;
  log: TopicLog | undefined;
  /** Something was published since the last sign of life. */
  lively: boolean;
  /** The last full state was above MAX_SECTION_BYTES. */
  oversized: boolean;
  waiting: (() => void)[];
}

/**
 * Follows the chosen topics of one world as one more watcher of its stream, and numbers what comes.
 * A new epoch (another module, a world that went back, a thread that died) begins new numberings.
 */
export class WorldWatch {
  private readonly options: WorldWatchOptions;
  private readonly dependencies: WorldWatchDependencies;
  private readonly topics: readonly Followed[];
  private shard = "";
  private epoch = 0;
  private retry: Timer | undefined;
  private readonly unavailable = new Set<Followed>();
  definition: DefinitionData | undefined;

  constructor(options: WorldWatchOptions, dependencies: WorldWatchDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.topics = options.topics.map((name) => ({
      name,
      attach: 0,
      topic: undefined,
      log: undefined,
      lively: false,
      oversized: false,
      waiting: [],
    }));
  }

  /** The shard runs at this epoch. */
  placed(shard: string, epoch: number): void {
    this.shard = shard;
    if (epoch <= this.epoch) return;
    this.epoch = epoch;
    this.watchAll();
  }

  /** There is a (new) link: every watch begins anew. */
  linked(): void {
    if (this.epoch > 0) this.watchAll();
  }

  /** The link is gone, and every watch with it. */
  lost(): void {
    this.retry?.cancel();
    this.retry = undefined;
    this.unavailable.clear();
    for (const followed of this.topics) this.forget(followed);
  }

  private watchAll(): void {
    this.lost();
    for (const followed of this.topics) this.watch(followed);
  }

  private watch(followed: Followed): void {
    const { shard, epoch } = this;
    followed.attach = this.dependencies.nextAttach();
    const { attach, name: topic } = followed;
    const { authorized } = this.options;
    this.dependencies.toShard({ type: "watch", shard, epoch, attach, topic, authorized });
  }

  private forget(followed: Followed): void {
    followed.attach = 0;
    followed.topic = undefined;
    followed.log = undefined;
    wakeAll(followed);
  }

  /** A message of the shard. @throws DecodeError for a batch that is not of its form. */
  receive(message: ToProxy): void {
    if (message.epoch > this.epoch) return this.placed(message.shard, message.epoch);
    const answered = "attach" in message ? this.byAttach(message.attach) : undefined;
    if (message.type === "closed" && answered !== undefined)
      return this.closed(answered, message.code, message.reason);
    if (message.epoch < this.epoch) return;
    if (message.type === "watching" && answered !== undefined)
      this.begin(answered, message.definition);
    else if (message.type === "downstream") this.take(message.batch);
  }

  private byAttach(attach: number): Followed | undefined {
    return this.topics.find((followed) => followed.attach === attach);
  }

  private closed(followed: Followed, code: string, reason: string): void {
    this.forget(followed);
    if (code !== "world-unavailable" && code !== "internal-error")
      return this.dependencies.refused(followed.name, reason);
    this.unavailable.add(followed);
    this.retry ??= this.dependencies.clock.setTimer(RETRY_MS, () => {
      this.retry = undefined;
      const again = [...this.unavailable];
      this.unavailable.clear();
      for (const each of again) this.watch(each);
    });
  }

  private begin(followed: Followed, definition: DefinitionData): void {
    const { server, world } = this.options;
    this.definition = definition;
    followed.log = new TopicLog({
      server,
      world,
      topic: followed.name,
      run: this.dependencies.nextRun(),
      schema: schemaHash(definition),
    });
  }

  private take(bytes: Uint8Array): void {
    const batch = readWatchBatch(bytes);
    for (const { attach, topic } of batch.slots) {
      const followed = this.byAttach(attach);
      if (followed !== undefined) followed.topic = topic;
    }
    for (const { topic, delta, full } of batch.topics) {
      const followed = this.topics.find((other) => other.topic === topic);
      if (followed?.log === undefined) continue;
      if (delta.length > 0 && followed.log.hasBegun)
        this.publish(followed, followed.log.delta(batch.tick, delta));
      if (full.length > 0) this.takeFull(followed, followed.log, batch.tick, full);
    }
  }

  private publish(followed: Followed, datagrams: readonly Uint8Array[]): void {
    if (datagrams.length === 0) return this.dependencies.tooLarge();
    followed.lively = true;
    this.dependencies.publish(datagrams);
  }

  private takeFull(followed: Followed, log: TopicLog, tick: number, section: Uint8Array): void {
    followed.oversized = section.length > MAX_SECTION_BYTES;
    if (!followed.oversized) log.full(tick, section);
    wakeAll(followed);
  }

  /** Signs of life of the topics that were silent since the last call. */
  signsOfLife(): Uint8Array[] {
    const signs: Uint8Array[] = [];
    for (const followed of this.topics) {
      if (!followed.lively && followed.log?.hasBegun === true)
        signs.push(followed.log.signOfLife());
      followed.lively = false;
    }
    return signs;
  }

  /**
   * What a watcher needs behind datagram `after` of a run. Full state that is not at hand is asked of
   * the shard, once for all who wait.
   */
  async fill(
    topic: string,
    run: number | undefined,
    after: number | undefined,
    deadlineMs: number,
  ): Promise<FillOutcome> {
    const followed = this.topics.find(({ name }) => name === topic);
    if (followed === undefined) return { ok: false, reason: "unknown-topic" };
    const { log } = followed;
    if (log === undefined) return { ok: false, reason: "not-running" };
    const known = run === log.address.run ? after : undefined;
    const filling = log.fill(known);
    if (filling !== undefined) return { ok: true, filling };
    if (!(await this.fullState(followed, deadlineMs))) return { ok: false, reason: "too-late" };
    if (followed.oversized) return { ok: false, reason: "too-large" };
    const later = followed.log?.fill(undefined);
    return later === undefined
      ? { ok: false, reason: "not-running" }
      : { ok: true, filling: later };
  }

  private fullState(followed: Followed, deadlineMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const arrived = () => {
        timer.cancel();
        resolve(true);
      };
      const timer = this.dependencies.clock.setTimer(deadlineMs, () => {
        followed.waiting = followed.waiting.filter((waiter) => waiter !== arrived);
        resolve(false);
      });
      followed.waiting.push(arrived);
      // The first full state is under way by itself.
      if (followed.waiting.length > 1 || followed.log?.hasBegun !== true) return;
      const batch = new UpstreamBatch();
      batch.add(followed.attach, UpstreamKind.resync, 0);
      const { shard, epoch } = this;
      this.dependencies.toShard({ type: "upstream", shard, epoch, batch: batch.take() });
    });
  }
}

function wakeAll(followed: Followed): void {
  for (const wake of followed.waiting.splice(0)) wake();
}
