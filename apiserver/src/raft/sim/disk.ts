import type { Random } from "@atlasnet/core";
import { bootstrapState } from "../core/bootstrap.ts";
import type { Checkpoint, Entry, HardState, Ready, StoredState } from "../core/types.ts";

/**
 * A node's disk. A Ready's records are written in order and count once they are synced; a crash
 * before that keeps any number of the first of them.
 */
export class NodeDisk {
  private hardState: HardState;
  private entries: Entry[];
  private checkpoint: Checkpoint | undefined;
  private records: (() => void)[] = [];
  private incoming: number[] = [];
  private readonly states = new Map<number, Uint8Array>();

  constructor(stored: StoredState) {
    this.hardState = stored.hardState;
    this.entries = [...stored.entries];
    this.checkpoint = stored.checkpoint;
  }

  static ofFirstMember(voters: readonly string[]): NodeDisk {
    return new NodeDisk(bootstrapState(voters));
  }

  get stored(): StoredState {
    const { hardState, checkpoint, entries } = this;
    return { hardState, checkpoint, entries: [...entries] };
  }

  /** The state machine of the newest checkpoint. */
  get state(): Uint8Array {
    return this.states.get(this.checkpoint?.index ?? 0) ?? new Uint8Array(0);
  }

  readState(index: number): Uint8Array | undefined {
    return this.states.get(index);
  }

  write(ready: Ready): void {
    const { hardState, truncateFrom, checkpoint, chunks } = ready;
    const records = this.records;
    if (hardState) records.push(() => this.putHardState(hardState));
    if (truncateFrom) records.push(() => this.truncate(truncateFrom));
    for (const chunk of chunks) {
      if (chunk.offset === 0) this.incoming = [];
      this.incoming.push(...chunk.data);
    }
    if (checkpoint) {
      const bytes = Uint8Array.from(this.incoming);
      records.push(() => this.putCheckpoint(checkpoint, bytes, []));
    }
    for (const entry of ready.entries) records.push(() => this.putEntry(entry));
  }

  sync(): void {
    for (const record of this.records) record();
    this.records = [];
  }

  crash(random: Random): void {
    const kept = random.int(0, this.records.length);
    for (const record of this.records.slice(0, kept)) record();
    this.records = [];
    this.incoming = [];
  }

  /** Keeps states that are `inUse` by transfers, besides the new one. */
  putCheckpoint(checkpoint: Checkpoint, bytes: Uint8Array, inUse: readonly number[]): void {
    this.checkpoint = checkpoint;
    for (const index of this.states.keys()) if (!inUse.includes(index)) this.states.delete(index);
    this.states.set(checkpoint.index, bytes);
    this.entries = this.entries.filter((entry) => entry.index > checkpoint.index);
  }

  private putHardState(hardState: HardState): void {
    this.hardState = hardState;
  }

  private truncate(from: number): void {
    this.entries = this.entries.filter((entry) => entry.index < from);
  }

  private putEntry(entry: Entry): void {
    this.entries.push(entry);
  }
}
