import type { Logger, SecureRandom } from "@atlasnet/core";
import type { ConsulAgent } from "../agent/consul-agent.ts";
import type { Head } from "./head.ts";
import { FOLDER, type LogKeys } from "./keys.ts";
import type { LeaderTerm } from "./leader-term.ts";
import { writeParts } from "./parts.ts";
import type { Replica } from "./replica.ts";

export interface CheckpointOptions {
  /** A checkpoint is due after so many entries… */
  readonly entries?: number;
  /** …or bytes, and not before as many as the last checkpoint had. */
  readonly bytes?: number;
  /** Entries before a checkpoint that stay, for whoever is a little behind. */
  readonly keep?: number;
}

export interface CheckpointDependencies {
  readonly agent: Pick<ConsulAgent, "set" | "keys" | "deleteTree">;
  readonly keys: LogKeys;
  readonly replica: Replica;
  readonly random: SecureRandom;
  readonly logger: Logger;
}

const DEFAULTS: Required<CheckpointOptions> = {
  entries: 4096,
  bytes: 16 * 1024 * 1024,
  keep: FOLDER,
};

/** Bounds the log: the leader writes down the state from time to time, and deletes what it stands for. */
export class Checkpoints {
  private readonly options: Required<CheckpointOptions>;
  private readonly dependencies: CheckpointDependencies;
  private since = { entries: 0, bytes: 0 };
  private lastBytes = 0;
  private running: Promise<void> | undefined;
  /** Checkpoints that were written. */
  written = 0;

  constructor(options: CheckpointOptions, dependencies: CheckpointDependencies) {
    this.options = { ...DEFAULTS, ...options };
    this.dependencies = dependencies;
  }

  /** Entries were applied here, whoever wrote them. */
  applied(entries: number, bytes: number): void {
    this.since = { entries: this.since.entries + entries, bytes: this.since.bytes + bytes };
  }

  /** Another checkpoint is in the head than before. */
  seen({ checkpoint }: Head): void {
    if (checkpoint !== undefined) this.lastBytes = checkpoint.bytes;
  }

  /** Writes a checkpoint when one is due and none is under way. */
  whenDue(term: LeaderTerm, signal: AbortSignal): void {
    const { entries, bytes } = this.since;
    const due =
      entries >= this.options.entries || bytes >= Math.max(this.options.bytes, this.lastBytes);
    if (!due || this.running !== undefined) return;
    this.running = this.write(term, signal)
      .catch((error: unknown) => {
        if (!signal.aborted)
          this.dependencies.logger.warn(
            "No checkpoint could be written to Consul; the log grows until the next one.",
            { error },
          );
      })
      .finally(() => {
        this.running = undefined;
      });
  }

  /** Resolves when none is under way any more. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async write(term: LeaderTerm, signal: AbortSignal): Promise<void> {
    const { agent, keys, replica, random } = this.dependencies;
    this.since = { entries: 0, bytes: 0 };
    const { index, id, state } = await replica.freeze();
    const name = keys.checkpoint(index, Buffer.from(random.bytes(8)).toString("hex"));
    const written = await writeParts(agent, keys, name, untilAborted(state, signal));
    const first = Math.max(1, index + 1 - this.options.keep);
    const amended = term.amend((head) => ({
      ...head,
      first: Math.max(head.first, first),
      checkpoint: { index, id, name, ...written },
    }));
    await Promise.race([amended, aborted(signal)]);
    signal.throwIfAborted();
    this.lastBytes = written.bytes;
    this.written += 1;
    await this.clean(first, name);
  }

  /** Deletes what no head speaks of any more, also what leaders of before left behind. */
  private async clean(first: number, checkpoint: string): Promise<void> {
    const { agent, keys } = this.dependencies;
    const thousands = new Set((await agent.keys(keys.log)).map((key) => keys.thousandOf(key)));
    for (const thousand of thousands)
      if ((thousand + 1) * FOLDER <= first) await agent.deleteTree(keys.folder(thousand));
    for (const name of namesOf(await agent.keys(keys.blobs)))
      if (keys.indexOf(name) < first) await agent.deleteTree(name);
    for (const name of namesOf(await agent.keys(keys.checkpoints)))
      if (name !== checkpoint) await agent.deleteTree(name);
  }
}

function namesOf(keys: readonly string[]): ReadonlySet<string> {
  return new Set(keys.map((key) => key.slice(0, key.lastIndexOf("/") + 1)));
}

function* untilAborted(state: Iterable<Uint8Array>, signal: AbortSignal): Generator<Uint8Array> {
  for (const piece of state) {
    signal.throwIfAborted();
    yield piece;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
