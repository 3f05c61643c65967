import {
  firstRevision,
  generationOf,
  type KeyValue,
  MAX_RANGE_BYTES,
  MAX_RANGE_ITEMS,
  type RangeRequest,
  type RangeResult,
  type Revision,
} from "@atlasnet/core";
import type { BlocksView } from "./blocks.ts";
import { type Command, decodeCommand, type TxnCommand } from "./commands.ts";
import { type Changes, History } from "./history.ts";
import { Items } from "./items.ts";
import { DEFAULT_HISTORY_LIMITS, DEFAULT_QUOTA_BYTES, type HistoryLimits } from "./limits.ts";
import type { OrderedView } from "./ordered-map.ts";
import {
  type Remembered,
  type RememberedLimits,
  RequestMemory,
  type TxnOutcome,
} from "./request-memory.ts";
import { fenceOf } from "./restore-fence.ts";
import { holds, plan } from "./txn.ts";

/** A committed entry of the log; those without a command belong to Raft. */
export interface LogEntry {
  readonly index: number;
  readonly term: number;
  readonly command: Uint8Array | undefined;
}

/** What an entry did. */
export interface Applied {
  /** One for each transaction of the command. */
  readonly outcomes: readonly TxnOutcome[];
  /** For watches, in the order of their revisions. */
  readonly changes: readonly Changes[];
  /** The state was replaced: watches cannot go on from changes. */
  readonly replaced: boolean;
}

/** A restore that has not come to its end. */
export interface Staged {
  readonly restore: string;
  readonly nextPart: number;
  readonly items: Items;
}

/** A state that stays as it is while the machine goes on. */
export interface FrozenState {
  readonly index: number;
  readonly term: number;
  readonly revision: Revision;
  readonly quotaBytes: number;
  readonly items: OrderedView<KeyValue>;
  readonly remembered: BlocksView<Remembered>;
  readonly staged:
    | { readonly restore: string; readonly nextPart: number; readonly items: OrderedView<KeyValue> }
    | undefined;
  readonly hash: string;
}

export interface StateMachineOptions {
  readonly history?: HistoryLimits;
  /** For tests; the same on every replica. */
  readonly remembered?: RememberedLimits;
}

const NOTHING: Applied = { outcomes: [], changes: [], replaced: false };

/**
 * The state behind the log. The same entries in the same order give the same state, to the last revision
 * and remembered answer, on every replica:
 *
 * 1. Nothing but entries changes it, and no entry's effect depends on time, chance or local settings. The
 *    history for watches is local and no part of the state.
 * 2. Every transaction that changes something has a revision of its own, one above the last.
 * 3. A transaction changes all it says or nothing.
 */
export class StateMachine {
  private index = 0;
  private term = 0;
  private current: Revision = 0;
  private quotaBytes = DEFAULT_QUOTA_BYTES;
  private items = new Items();
  private staged: Staged | undefined;
  private memory: RequestMemory;
  readonly history: History;

  constructor(options: StateMachineOptions = {}) {
    this.memory = new RequestMemory(options.remembered);
    this.history = new History(options.history ?? DEFAULT_HISTORY_LIMITS, 0);
  }

  get revision(): Revision {
    return this.current;
  }

  /** The last entry that was applied. */
  get applied(): { readonly index: number; readonly term: number } {
    return { index: this.index, term: this.term };
  }

  get figures(): {
    readonly keys: number;
    readonly bytes: number;
    readonly quotaBytes: number;
    readonly remembered: number;
  } {
    const { items, quotaBytes, memory } = this;
    return { keys: items.size, bytes: items.bytes, quotaBytes, remembered: memory.size };
  }

  /** The same on all replicas that have applied the same entries. */
  get hash(): string {
    const { items, staged, memory, current, quotaBytes } = this;
    const stagedHash = staged && `${staged.restore}/${staged.nextPart}/${staged.items.hash}`;
    return `${current}-${items.hash}-${memory.hash}-${quotaBytes}-${stagedHash ?? ""}`;
  }

  get(key: string): KeyValue | undefined {
    return this.items.get(key);
  }

  /** What was answered to a transaction with this id, while it is remembered. */
  answered(id: string): TxnOutcome | undefined {
    return this.memory.find(id);
  }

  /** The request has to be checked before (`checkRange`). */
  range(request: RangeRequest): RangeResult {
    const limit = request.limit ?? MAX_RANGE_ITEMS;
    const revision = this.current;
    if ("key" in request && request.key !== undefined) {
      const item = this.items.get(request.key);
      const behind = request.after !== undefined && request.key <= request.after;
      return { revision, items: item === undefined || behind ? [] : [item], more: false };
    }
    const prefix = "prefix" in request ? request.prefix : "";
    const { after } = request;
    // No key has a control character: this is the lowest text behind `after`.
    const from = after === undefined || after < prefix ? prefix : `${after}\0`;
    const items: KeyValue[] = [];
    let bytes = 0;
    let more = false;
    this.items.visit(from, (item) => {
      if (!item.key.startsWith(prefix)) return false;
      if (items.length >= limit || bytes > MAX_RANGE_BYTES) {
        more = true;
        return false;
      }
      items.push(item);
      bytes += item.key.length + item.value.length;
      return true;
    });
    return { revision, items, more };
  }

  /**
   * @throws CommandError for an entry that cannot be read, which stops the node; Error when an entry was
   * left out.
   */
  apply(entry: LogEntry): Applied {
    const { index, term } = entry;
    if (index !== this.index + 1)
      throw new Error(`entry ${index} cannot follow on ${this.index}: some were left out`);
    const command = entry.command && decodeCommand(entry.command, index);
    this.index = index;
    this.term = term;
    this.memory.forget(index);
    return command === undefined ? NOTHING : this.execute(command);
  }

  freeze(): FrozenState {
    const { index, term, current, quotaBytes, staged, hash } = this;
    return {
      index,
      term,
      revision: current,
      quotaBytes,
      items: this.items.freeze(),
      remembered: this.memory.freeze(),
      staged: staged && {
        restore: staged.restore,
        nextPart: staged.nextPart,
        items: staged.items.freeze(),
      },
      hash,
    };
  }

  /** A machine that goes on from a checkpoint; see checkpoint-decoder.ts. */
  static from(
    head: {
      readonly index: number;
      readonly term: number;
      readonly revision: Revision;
      readonly quotaBytes: number;
    },
    parts: {
      readonly items: Items;
      readonly staged: Staged | undefined;
      readonly memory: RequestMemory;
    },
    options: StateMachineOptions = {},
  ): StateMachine {
    const machine = new StateMachine(options);
    machine.index = head.index;
    machine.term = head.term;
    machine.current = head.revision;
    machine.quotaBytes = head.quotaBytes;
    machine.items = parts.items;
    machine.staged = parts.staged;
    machine.memory = parts.memory;
    machine.history.reset(head.revision);
    return machine;
  }

  private execute(command: Command): Applied {
    switch (command.type) {
      case "txns": {
        const changes: Changes[] = [];
        const outcomes = command.txns.map((txn) => this.transact(txn, changes));
        return { outcomes, changes, replaced: false };
      }
      case "quota":
        this.quotaBytes = command.bytes;
        return NOTHING;
      case "restore-begin":
        this.staged = { restore: command.restore, nextPart: 0, items: new Items() };
        return NOTHING;
      case "restore-part":
        this.stage(command);
        return NOTHING;
      case "restore-end":
        return this.restore(command);
    }
  }

  private transact(txn: TxnCommand, changes: Changes[]): TxnOutcome {
    const { id } = txn;
    const known = id === undefined ? undefined : this.memory.find(id);
    if (known !== undefined) return known;
    const outcome = this.decide(txn, changes);
    if (id !== undefined) this.memory.remember({ id, index: this.index, outcome });
    return outcome;
  }

  private decide(txn: TxnCommand, all: Changes[]): TxnOutcome {
    if (txn.refused !== undefined) return { code: txn.refused };
    const { items, quotaBytes } = this;
    const succeeded = holds(txn.compare, items, this.term);
    const operations = succeeded ? txn.then : (txn.otherwise ?? []);
    const revision = this.current + 1;
    const planned = plan(operations, items, { revision, quotaBytes });
    if (!planned.ok) return { code: planned.code };
    const { changes } = planned;
    if (changes.length === 0) return { code: "done", succeeded, revision: this.current };
    for (const change of changes) items.apply(change);
    this.current = revision;
    const entry = { revision, changes };
    this.history.push(entry);
    all.push(entry);
    return { code: "done", succeeded, revision };
  }

  private stage(command: Extract<Command, { type: "restore-part" }>): void {
    const { staged } = this;
    if (staged?.restore !== command.restore || staged.nextPart !== command.part) {
      this.staged = undefined;
      return;
    }
    for (const item of command.items) staged.items.put({ ...item, value: item.value.slice() });
    this.staged = { ...staged, nextPart: staged.nextPart + 1 };
  }

  /** A generation above every one that this store or the backup has seen: nothing of before is believed. */
  private restore(command: Extract<Command, { type: "restore-end" }>): Applied {
    const { staged } = this;
    this.staged = undefined;
    if (staged?.restore !== command.restore || staged.nextPart !== command.parts) return NOTHING;
    const newest = Math.max(this.current, staged.items.newest);
    this.current = firstRevision(generationOf(newest) + 1);
    const fence = fenceOf(this.items, staged.items, this.current);
    this.items = staged.items;
    if (fence !== undefined) this.items.put(fence);
    this.history.reset(this.current);
    return { outcomes: [], changes: [], replaced: true };
  }
}
