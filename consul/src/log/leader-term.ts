import type { Clock, Logger, SecureRandom } from "@atlasnet/core";
import type { ConsulAgent, KvOperation } from "../agent/consul-agent.ts";
import { ConsulError } from "../consul-error.ts";
import { encodeEntry, type LogEntry } from "./entry.ts";
import { decodeHead, encodeHead, type Head } from "./head.ts";
import type { LogKeys } from "./keys.ts";
import { writeParts } from "./parts.ts";
import { type Replica, wentBack } from "./replica.ts";
import { Pauses, pause } from "./retrying.ts";

export interface LeaderTermOptions {
  readonly node: string;
  readonly cluster: string;
}

export interface LeaderTermDependencies {
  readonly agent: Pick<ConsulAgent, "get" | "set" | "txn">;
  readonly keys: LogKeys;
  readonly replica: Replica;
  readonly clock: Clock;
  readonly random: SecureRandom;
  readonly logger: Logger;
  /** Ends with leadership. */
  readonly signal: AbortSignal;
}

/** A head as it was read, with what compare-and-set compares. */
export interface ReadHead {
  readonly head: Head;
  readonly modifyIndex: number;
}

type Proposal = Omit<LogEntry, "term">;
type Amendment = { readonly change: (head: Head) => Head; readonly done: () => void };

/** Data above this is written beforehand, in parts; so a transaction stays well below Consul's 512 KiB. */
const INLINE_BYTES = 96 * 1024;
const BATCH_BYTES = 192 * 1024;
/** With the head below Consul's 64 operations. */
const BATCH_ENTRIES = 60;
/** Proposals that wait; the next are refused as "busy". */
const MAX_WAITING = 1024;

/**
 * One term of leadership: entries go in one transaction of Consul with the head, which it compares. So whatever
 * happens to requests, answers and locks, the log has one order, and one who led before can add nothing.
 */
export class LeaderTerm {
  readonly term: number;
  private readonly options: LeaderTermOptions;
  private readonly dependencies: LeaderTermDependencies;
  private last: ReadHead;
  private next: number;
  private waiting: Proposal[] = [];
  private amendments: Amendment[] = [];
  /** Undefined while nothing is; for ever once a write failed. */
  private writing: Promise<void> | undefined;
  /** The id of the head that is on its way. */
  private underWay: string | undefined;
  private readonly lost: (error: unknown) => void;

  private constructor(
    options: LeaderTermOptions,
    dependencies: LeaderTermDependencies,
    begin: ReadHead,
    lost: (error: unknown) => void,
  ) {
    this.options = options;
    this.dependencies = dependencies;
    this.last = begin;
    this.term = begin.head.term + 1;
    this.next = begin.head.index + 1;
    this.lost = lost;
  }

  /**
   * Reads all there is, and begins a term with an entry of its own. Tries until the signal ends it, which rejects.
   * `lost` is told once, when somebody else writes. @throws ConsulError that trying cannot help
   */
  static async begin(
    options: LeaderTermOptions,
    dependencies: LeaderTermDependencies,
    lost: (error: unknown) => void,
  ): Promise<LeaderTerm> {
    const { agent, keys, replica, clock, signal, logger } = dependencies;
    const pauses = new Pauses();
    for (;;) {
      signal.throwIfAborted();
      try {
        const begin = (await readHead(agent, keys, signal)) ?? firstHead(options, replica.applied);
        if (await replica.advance(begin.head)) {
          const term = new LeaderTerm(options, dependencies, begin, lost);
          term.waiting.push({ index: term.next, type: "no-op", data: new Uint8Array(0) });
          term.next += 1;
          if (await term.commit()) return term;
        }
      } catch (error) {
        if (!isPassing(error)) throw error;
        logger.warn("Consul does not take what a new leader begins with; trying again.", { error });
      }
      await pause(clock, pauses.next(), signal);
    }
  }

  /** Where a command will stand when it is committed. */
  propose(data: Uint8Array): number | undefined {
    if (this.waiting.length >= MAX_WAITING || this.dependencies.signal.aborted) return undefined;
    const index = this.next;
    this.next += 1;
    this.waiting.push({ index, type: "command", data });
    this.run();
    return index;
  }

  /** Changes the head's account of checkpoints. Resolves once it is written; never when leadership ends before. */
  amend(change: (head: Head) => Head): Promise<void> {
    return new Promise((resolve) => {
      this.amendments.push({ change, done: resolve });
      this.run();
    });
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    await this.writing;
  }

  /** It is being written by this term, which applies it by itself. */
  isOwn(head: Head): boolean {
    return head.id === this.underWay;
  }

  private run(): void {
    if (this.writing !== undefined) return;
    this.writing = this.commitAll().then(
      () => {
        this.writing = undefined;
        // Something may have come after the last look.
        if (this.waiting.length > 0 || this.amendments.length > 0) this.run();
      },
      (error: unknown) => {
        if (!this.dependencies.signal.aborted) this.lost(error);
      },
    );
  }

  private async commitAll(): Promise<void> {
    while (this.waiting.length > 0 || this.amendments.length > 0)
      if (!(await this.commit())) throw new Superseded();
  }

  /** False: somebody else has written since. @throws ConsulError; the signal's reason */
  private async commit(): Promise<boolean> {
    const { replica } = this.dependencies;
    const proposals = this.take();
    const amendments = this.amendments.splice(0);
    const sets = await this.stored(proposals);
    const index = this.last.head.index + proposals.length;
    const id = sets.id ?? this.last.head.id;
    let head: Head = { ...this.last.head, index, id, term: this.term, leader: this.options.node };
    for (const { change } of amendments) head = change(head);
    this.underWay = id;
    const modifyIndex = await this.submit(head, sets.operations);
    if (modifyIndex === undefined) return false;
    this.last = { head, modifyIndex };
    await replica.take(
      head,
      proposals.map((proposal) => ({ ...proposal, term: this.term })),
    );
    for (const { done } of amendments) done();
    return true;
  }

  private take(): readonly Proposal[] {
    let bytes = 0;
    let count = 0;
    for (const { data } of this.waiting) {
      if (count >= BATCH_ENTRIES || (count > 0 && bytes + data.length > BATCH_BYTES)) break;
      bytes += data.length > INLINE_BYTES ? 0 : data.length;
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  /** The operations that add entries, large data being written already; and the id of the last. */
  private async stored(
    proposals: readonly Proposal[],
  ): Promise<{ readonly operations: readonly KvOperation[]; readonly id: string | undefined }> {
    const { agent, keys } = this.dependencies;
    const operations: KvOperation[] = [];
    let after = this.last.head.id;
    let last: string | undefined;
    for (const { index, type, data } of proposals) {
      const id = this.newId();
      const name = keys.blob(index, id);
      const stored =
        data.length <= INLINE_BYTES
          ? data
          : { name, ...(await this.until(() => writeParts(agent, keys, name, [data]))) };
      const entry = { term: this.term, type, id, after, data: stored };
      operations.push({ verb: "set", key: keys.entry(index), value: encodeEntry(entry) });
      after = id;
      last = id;
    }
    return { operations, id: last };
  }

  /**
   * The index of the head when it was written; undefined when somebody else wrote it. A request without an answer is
   * sent again: applied twice it cannot be, because it compares.
   */
  private async submit(head: Head, sets: readonly KvOperation[]): Promise<number | undefined> {
    const { agent, keys } = this.dependencies;
    const value = encodeHead(head);
    const index = this.last.modifyIndex;
    return await this.until(async () => {
      const result = await agent.txn([{ verb: "cas", key: keys.head, value, index }, ...sets]);
      if (result.ok) {
        const written = result.items.find(({ key }) => key === keys.head);
        if (written !== undefined) return written.modifyIndex;
      }
      const { value: found } = await agent.get(keys.head, { consistent: true });
      if (found !== undefined && Buffer.compare(found.value, value) === 0) return found.modifyIndex;
      if (!result.ok && found?.modifyIndex === index)
        throw new ConsulError("consul-refused", `Consul refused a transaction: ${result.problem}`, {
          hint: "See the log of the Consul agent.",
        });
      return undefined;
    });
  }

  /** Tries until Consul answers. @throws the signal's reason, and what trying cannot help */
  private async until<T>(work: () => Promise<T>): Promise<T> {
    const { clock, signal, logger } = this.dependencies;
    const pauses = new Pauses();
    for (;;) {
      signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        if (!isPassing(error)) throw error;
        logger.warn("Consul did not take a write; trying again while this apiserver leads.", {
          error,
        });
      }
      await pause(clock, pauses.next(), signal);
    }
  }

  private newId(): string {
    return Buffer.from(this.dependencies.random.bytes(8)).toString("hex");
  }
}

/** Another apiserver has written to the log: this term is over. */
export class Superseded extends Error {}

/** Trying again may help. */
export function isPassing(error: unknown): boolean {
  return error instanceof ConsulError && error.code === "consul-unreachable"
    ? true
    : error instanceof ConsulError && error.code === "consul-refused" && error.status !== undefined
      ? error.status >= 500 || error.status === 429
      : error instanceof ConsulError && error.code === "consul-forbidden";
}

/** As a quorum of Consul's servers knows it. */
export async function readHead(
  agent: Pick<ConsulAgent, "get">,
  keys: LogKeys,
  signal: AbortSignal,
): Promise<ReadHead | undefined> {
  const { value } = await agent.get(keys.head, { consistent: true, signal });
  if (value === undefined) return undefined;
  return { head: decodeHead(value.value, keys.head), modifyIndex: value.modifyIndex };
}

function firstHead({ node, cluster }: LeaderTermOptions, applied: number): ReadHead {
  if (applied > 0) throw wentBack("it is gone");
  return {
    head: { cluster, index: 0, term: 0, leader: node, id: "none", first: 1 },
    // Compare-and-set takes 0 for a key that is not there.
    modifyIndex: 0,
  };
}
