import type { ConsulAgent } from "../agent/consul-agent.ts";
import { ConsulError } from "../consul-error.ts";
import { decodeEntry, type LogEntry, type StoredEntry } from "./entry.ts";
import { type Head, unreadable } from "./head.ts";
import type { LogKeys } from "./keys.ts";
import { readBlob, readParts } from "./parts.ts";

/** What the log is for; with the shape of a Raft group's machine. Nothing else changes it. */
export interface LogMachine {
  /** Entries in order, each once, without a gap. An error ends the log. */
  apply(entries: readonly LogEntry[]): void;
  /** The state after all that was applied, in pieces, taken one by one later: it must not change. */
  freeze(): Iterable<Uint8Array>;
  /** A checkpoint comes in; it takes the place of the state with `finish`. */
  beginInstall(): { push(bytes: Uint8Array): void; finish(): void };
}

export interface ReplicaDependencies {
  readonly agent: Pick<ConsulAgent, "get" | "txn">;
  readonly keys: LogKeys;
  readonly machine: LogMachine;
}

/** Entries that one request asks for. */
const READ_ENTRIES = 32;

/** This process's copy of what the log says: it applies every entry once, in order. */
export class Replica {
  private readonly dependencies: ReplicaDependencies;
  private position = { index: 0, id: "" };
  private turn: Promise<unknown> = Promise.resolve();

  constructor(dependencies: ReplicaDependencies) {
    this.dependencies = dependencies;
  }

  /** The last entry that was applied. */
  get applied(): number {
    return this.position.index;
  }

  /**
   * Applies everything up to this head. False: part of it is gone meanwhile, as behind a newer checkpoint; a newer
   * head says where it is.
   * @throws ConsulError, also "consul-went-back" for a head of another past than what was applied
   */
  advance(head: Head): Promise<boolean> {
    return this.inTurn(() => this.catchUp(head));
  }

  /** Applies entries that this process has just written, which end at this head. */
  take(head: Head, entries: readonly LogEntry[]): Promise<void> {
    return this.inTurn(async () => {
      const { index } = this.position;
      const fresh = entries.filter((entry) => entry.index > index);
      if (fresh.length === 0) return;
      if (fresh[0]?.index !== index + 1) throw new Error(`own entries do not follow on ${index}`);
      this.dependencies.machine.apply(fresh);
      this.position = { index: head.index, id: head.id };
    });
  }

  /** The state after what is applied, taken while nothing else is. */
  freeze(): Promise<{
    readonly index: number;
    readonly id: string;
    readonly state: Iterable<Uint8Array>;
  }> {
    return this.inTurn(async () => ({
      ...this.position,
      state: this.dependencies.machine.freeze(),
    }));
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work);
    this.turn = result.catch(() => undefined);
    return result;
  }

  private async catchUp(head: Head): Promise<boolean> {
    if (head.index === this.position.index && head.index > 0 && head.id !== this.position.id)
      throw wentBack(`its entry ${head.index} is another one than was applied here`);
    while (this.position.index < head.index) {
      const { index } = this.position;
      const from = head.checkpoint;
      const further = from !== undefined && (index === 0 || index + 1 < head.first);
      if (index + 1 < head.first && from === undefined)
        throw wentBack(`the entries before ${head.first} are gone, without a checkpoint`);
      const done = further ? await this.install(head) : await this.readOn(head);
      if (!done) return false;
    }
    return true;
  }

  private async install({ checkpoint }: Head): Promise<boolean> {
    if (checkpoint === undefined) return false;
    const { agent, keys, machine } = this.dependencies;
    const install = machine.beginInstall();
    for await (const part of readParts(agent, keys, checkpoint.name, checkpoint.parts)) {
      if (part === undefined) return false;
      install.push(part);
    }
    install.finish();
    this.position = { index: checkpoint.index, id: checkpoint.id };
    return true;
  }

  private async readOn(head: Head): Promise<boolean> {
    const { agent, keys, machine } = this.dependencies;
    const from = this.position.index + 1;
    const count = Math.min(READ_ENTRIES, head.index - this.position.index);
    const wanted = Array.from({ length: count }, (_, at) => keys.entry(from + at));
    const read = await agent.txn(wanted.map((key) => ({ verb: "get", key })));
    if (!read.ok) return false;
    const entries: LogEntry[] = [];
    let { id } = this.position;
    for (const [at, key] of wanted.entries()) {
      const item = read.items[at];
      if (item?.key !== key) throw unreadable(key, "was not in the answer");
      const stored = decodeEntry(item.value, key);
      if (from + at > 1 && stored.after !== id)
        throw wentBack(`its entry ${from + at} does not follow on what was applied here`);
      const data = await this.dataOf(stored);
      if (data === undefined) return false;
      entries.push({ index: from + at, term: stored.term, type: stored.type, data });
      id = stored.id;
    }
    machine.apply(entries);
    this.position = { index: from + count - 1, id };
    return true;
  }

  private async dataOf({ data }: StoredEntry): Promise<Uint8Array | undefined> {
    if (data instanceof Uint8Array) return data;
    return await readBlob(this.dependencies.agent, this.dependencies.keys, data);
  }
}

export function wentBack(problem: string): ConsulError {
  return new ConsulError(
    "consul-went-back",
    `the log in Consul is not the one that was read: ${problem}`,
    {
      hint: "Somebody restored an older snapshot of Consul, or deleted what apiservers keep there. Restart all apiservers, so that they read it anew; then make a backup and restore it (`atlasnet backup`, `atlasnet restore`): that begins a new generation, so that nothing of before is believed.",
    },
  );
}
