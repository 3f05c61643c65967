import { bodyBytes } from "./frame.ts";
import type { LogTip, TipState } from "./log-tip.ts";
import type { LogRecord } from "./record.ts";

export interface GroupCommitOptions {
  /** A group takes saves until it has this many bytes; one that is larger goes alone. */
  readonly maxGroupBytes: number;
  /** Bytes that may wait; past it the node is lost behind its disk and stops. */
  readonly maxWaitingBytes: number;
}

export interface GroupCommitDependencies {
  /** Makes records durable, in one write and one sync; `after` is the log behind them. */
  write(records: readonly LogRecord[], after: TipState): Promise<void>;
  /** Makes the error of `maxWaitingBytes`. */
  overrun(waitingBytes: number): Error;
  /** The first error; nothing is written any more. */
  onFailed(error: unknown): void;
}

interface Waiting {
  readonly records: readonly LogRecord[];
  readonly bytes: number;
  readonly after: TipState;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * One write at a time: what comes while one runs goes into the next together. Saves become durable
 * in the order of the calls. After an error every call fails with that same error, for what a failed
 * sync covered may be lost although a later one resolves.
 */
export class GroupCommit {
  private readonly options: GroupCommitOptions;
  private readonly dependencies: GroupCommitDependencies;
  private waiting: Waiting[] = [];
  private bytes = 0;
  private running: Promise<void> | undefined;
  private failure: { readonly error: unknown } | undefined;

  constructor(options: GroupCommitOptions, dependencies: GroupCommitDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  get waitingBytes(): number {
    return this.bytes;
  }

  get failed(): boolean {
    return this.failure !== undefined;
  }

  save(records: readonly LogRecord[], after: LogTip): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure.error);
    const bytes = bodyBytes(records);
    if (this.bytes + bytes > this.options.maxWaitingBytes && this.bytes > 0) {
      const error = this.dependencies.overrun(this.bytes + bytes);
      this.fail(error);
      return Promise.reject(error);
    }
    const saved = new Promise<void>((resolve, reject) => {
      this.waiting.push({ records, bytes, after: after.state, resolve, reject });
    });
    this.bytes += bytes;
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
    return saved;
  }

  /** Ends it: what waits and whatever comes fails with this error, unless there was one before. */
  fail(error: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = { error };
    this.bytes = 0;
    for (const item of this.waiting.splice(0)) item.reject(error);
    this.dependencies.onFailed(error);
  }

  /** Resolves when nothing is being written, well or not. */
  async settled(): Promise<void> {
    while (this.running !== undefined) await this.running;
  }

  private async run(): Promise<void> {
    // Saves of the same turn go together.
    await Promise.resolve();
    while (this.waiting.length > 0 && this.failure === undefined) {
      const group = this.takeGroup();
      const last = group.at(-1);
      if (last === undefined) return;
      try {
        const records = group.flatMap((item) => item.records);
        if (records.length > 0) await this.dependencies.write(records, last.after);
        this.throwIfFailed();
      } catch (error) {
        this.fail(error);
        for (const item of group) item.reject(error);
        return;
      }
      for (const item of group) {
        this.bytes -= item.bytes;
        item.resolve();
      }
    }
  }

  private throwIfFailed(): void {
    if (this.failure !== undefined) throw this.failure.error;
  }

  private takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const item of this.waiting) {
      bytes += item.bytes;
      if (count > 0 && bytes > this.options.maxGroupBytes) break;
      count++;
    }
    return this.waiting.splice(0, count);
  }
}
