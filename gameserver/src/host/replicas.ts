import { OperatingError } from "@atlasnet/core";
import type {
  FromThread,
  KeptState,
  ReplicaSourceFacts,
  ThreadSettings,
  ToThread,
} from "./protocol.ts";
import { type ReplicaOptions, ReplicaRunner } from "./replica-runner.ts";
import type { KeptShard, RunnerDependencies, ShardRunner } from "./shard-runner.ts";
import { threadError } from "./thread-error.ts";

interface Entry {
  /** Undefined while the module is being loaded. */
  runner: ReplicaRunner | undefined;
}

/** What a thread is told about replicas; all but their promotion. */
export type ToReplicas = Extract<
  ToThread,
  { type: "replica" | "replica-piece" | "replica-delta" | "keep-replica" | "drop-replica" }
>;

/**
 * The replicas of one thread, one for each shard. Of a shard one is opened or dropped at a time, in the order in which
 * that was asked for. What is for a replica that is gone is left alone.
 */
export class Replicas {
  private readonly thread: ThreadSettings;
  private readonly dependencies: RunnerDependencies;
  private readonly post: (message: FromThread) => void;
  private readonly entries = new Map<string, Entry>();
  /** The last of what is under way for a shard; never rejects. */
  private readonly underWay = new Map<string, Promise<void>>();

  constructor(thread: ThreadSettings, dependencies: RunnerDependencies) {
    this.thread = thread;
    this.dependencies = dependencies;
    this.post = dependencies.post;
  }

  handle(message: ToReplicas): void {
    switch (message.type) {
      case "replica":
        return this.open(message);
      case "replica-piece":
        return this.work(message.shard, (runner) =>
          runner.piece(message.offset, message.data, message.last),
        );
      case "replica-delta":
        return this.work(message.shard, (runner) => runner.delta(message));
      case "keep-replica":
        return this.work(message.shard, (runner) => runner.keep());
      case "drop-replica":
        return this.drop(message.shard);
    }
  }

  private open(options: ReplicaOptions): void {
    const { shard } = options.settings;
    const before = this.entries.get(shard);
    if (before !== undefined) this.inTurn(shard, () => this.discard(shard, before));
    const entry: Entry = { runner: undefined };
    this.entries.set(shard, entry);
    const isWanted = () => this.entries.get(shard) === entry;
    this.inTurn(shard, async () => {
      if (!isWanted()) return;
      try {
        const runner = await ReplicaRunner.open(options, this.thread, this.dependencies);
        if (!isWanted()) return;
        entry.runner = runner;
        this.post({ type: "replica-open", shard });
      } catch (error) {
        this.failed(shard, entry, error);
      }
    });
  }

  /** A shard that ran here is followed from now on, from where it stands. @throws OperatingError when it was not sealed */
  keep(kept: KeptShard, source: ReplicaSourceFacts): KeptState {
    const { thread, dependencies } = this;
    const runner = ReplicaRunner.kept(kept, source, thread, dependencies);
    this.entries.set(kept.settings.shard, { runner });
    return { ...runner.state, tickRate: runner.state.definition.tickRate };
  }

  private work(shard: string, work: (runner: ReplicaRunner) => void | Promise<void>): void {
    const entry = this.entries.get(shard);
    if (entry?.runner === undefined) return;
    try {
      work(entry.runner)?.catch((error: unknown) => this.failed(shard, entry, error));
    } catch (error) {
      this.failed(shard, entry, error);
    }
  }

  private failed(shard: string, entry: Entry, error: unknown): void {
    if (this.entries.get(shard) !== entry) return;
    this.entries.delete(shard);
    this.post({ type: "failed", shard, during: "replica", error: threadError(error) });
    this.inTurn(shard, () => this.discard(shard, entry));
  }

  private drop(shard: string): void {
    const entry = this.entries.get(shard);
    this.entries.delete(shard);
    this.inTurn(shard, async () => {
      if (entry !== undefined) await this.discard(shard, entry);
      this.post({ type: "closed", shard });
    });
  }

  private async discard(shard: string, { runner }: Entry): Promise<void> {
    try {
      await runner?.drop();
    } catch (error) {
      // It is looked at again when the shard is opened here, and counts only if it is the newest state then.
      this.dependencies.logger.warn("The copy of a world's replica could not be removed.", {
        ...{ shard, error },
      });
    }
  }

  /** The shard runs here from now on. @throws when it cannot; then nothing is left but the copy on the disk */
  promote({
    shard,
    ownership,
    dueMs,
    followed,
  }: Extract<ToThread, { type: "promote" }>): ShardRunner {
    const runner = this.entries.get(shard)?.runner;
    if (runner === undefined)
      throw new OperatingError("unknown-shard", `shard ${shard} is not followed here`);
    this.entries.delete(shard);
    return runner.promote(ownership, dueMs, followed);
  }

  private inTurn(shard: string, work: () => Promise<void>): void {
    const turn = (this.underWay.get(shard) ?? Promise.resolve()).then(work).then(() => {
      if (this.underWay.get(shard) === turn) this.underWay.delete(shard);
    });
    this.underWay.set(shard, turn);
  }
}
