import { type JournalRecord, RECORD_OVERHEAD_BYTES } from "./journal-file.ts";
import type { Position } from "./position.ts";

/** Most bytes handed to the disk in one write. */
const MAX_WRITE_BYTES = 1024 * 1024;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 30_000;

export interface JournalQueueOptions {
  epoch: number;
  /** How long a delta may wait to be synced, in milliseconds. */
  syncMs: number;
  /** Bytes of deltas that are not yet synced; past it nothing is taken. */
  maxBytes: number;
}

export type JournalEvent =
  /** The file was opened and its header written. */
  | { type: "opened"; file: number }
  | { type: "written"; file: number }
  | { type: "synced"; file: number }
  | { type: "failed"; file: number; error: unknown }
  | { type: "timer"; timer: "sync" | "retry" };

export type JournalEffect =
  | { type: "open"; file: number; base: Position }
  | { type: "write"; file: number; records: readonly JournalRecord[] }
  | { type: "sync"; file: number }
  | { type: "close"; file: number }
  | { type: "arm"; timer: "sync" | "retry"; ms: number }
  | { type: "fault"; error: unknown; retryMs: number }
  | { type: "recovered" };

type Entry =
  | { record: JournalRecord; bytes: number }
  /** From here on a new file. Held until the snapshot it begins with is durable. */
  | { begin: Position; held: boolean };

interface OpenFile {
  id: number;
  opening: boolean;
  /** In the hands of the disk. */
  writing: number;
  /** How many of `written` the running sync covers; 0 when none runs. */
  syncing: number;
}

/**
 * The journal's group commit. Pure: events in, effects out; the shell (journal-writer.ts) performs
 * them and reports back.
 *
 * 1. Deltas reach the disk in order, each once per file, and a delta counts as durable only after a
 *    sync that began when it was written.
 * 2. Writing never waits for a sync: what was handed to the system survives the death of the process.
 * 3. After a fault the file is given up (a second sync of it proves nothing) and a new one repeats
 *    every delta that is not durable, from the last durable position on.
 * 4. A new journal is begun only when the one before it is synced to its end.
 */
export class JournalQueue {
  private readonly options: JournalQueueOptions;
  /** Not durable yet: the first `written` are in the file, then those it is writing, then the rest. */
  private readonly entries: Entry[] = [];
  private written = 0;
  private file: OpenFile | undefined;
  private files = 0;
  /** The last durable position: what a new file would continue from. */
  private base: Position | undefined;
  private bytes = 0;
  private appended = 0;
  private durable = 0;
  /** Records up to this number are to be synced as soon as they are written. */
  private syncTo = 0;
  private syncArmed = false;
  private attempts = 0;
  private backingOff = false;

  constructor(options: JournalQueueOptions) {
    this.options = options;
  }

  /** Bytes of deltas that are not durable. */
  get waitingBytes(): number {
    return this.bytes;
  }

  /** Deltas taken so far; each has a number, counted from 1. */
  get lastAppended(): number {
    return this.appended;
  }

  /** Deltas up to this number are durable. Deltas that were dropped count as done, too. */
  get lastDurable(): number {
    return this.durable;
  }

  get failing(): boolean {
    return this.attempts > 0;
  }

  /** Whether a delta of that many bytes would be taken. One is always taken into an empty queue. */
  hasRoom(bytes: number): boolean {
    return this.bytes === 0 || this.bytes + bytes + RECORD_OVERHEAD_BYTES <= this.options.maxBytes;
  }

  /** Takes a delta; the caller has asked `hasRoom`. */
  append(record: JournalRecord): JournalEffect[] {
    const bytes = record.bytes.length + RECORD_OVERHEAD_BYTES;
    this.entries.push({ record, bytes });
    this.bytes += bytes;
    this.appended++;
    return this.advance();
  }

  /** Deltas from here on belong to a new journal, which continues from `base`. */
  begin(base: Position, held: boolean): JournalEffect[] {
    this.entries.push({ begin: base, held });
    return this.advance();
  }

  /** The snapshot of the held journal is durable: it may be written. */
  release(): JournalEffect[] {
    for (const entry of this.entries) if ("begin" in entry) entry.held = false;
    // The disk takes bytes again, as the snapshot shows.
    this.backingOff = false;
    return this.advance();
  }

  /** The snapshot of the held journal failed: its deltas are of no use. */
  dropHeld(): JournalEffect[] {
    const at = this.entries.findIndex((entry) => "begin" in entry && entry.held);
    if (at < 0) return [];
    for (const entry of this.entries.splice(at)) {
      if ("begin" in entry) continue;
      this.bytes -= entry.bytes;
      // They are the newest, so the numbers of those before them stay right.
      this.appended--;
    }
    this.syncTo = Math.min(this.syncTo, this.appended);
    return this.advance();
  }

  /** Asks for everything taken so far to be made durable without waiting for the timer. */
  flush(): JournalEffect[] {
    this.syncTo = this.appended;
    this.backingOff = false;
    return this.advance();
  }

  step(event: JournalEvent): JournalEffect[] {
    if (event.type === "timer") {
      if (event.timer === "retry") {
        this.backingOff = false;
        return this.advance();
      }
      this.syncArmed = false;
      this.syncTo = this.appended;
      return this.advance();
    }
    const file = this.file;
    // What a file that was given up still reports is of no interest.
    if (file === undefined || file.id !== event.file) return [];
    switch (event.type) {
      case "opened":
        file.opening = false;
        return this.advance();
      case "written":
        this.written += file.writing;
        file.writing = 0;
        return this.advance();
      case "synced":
        return this.synced(file);
      case "failed":
        return this.failed(file, event.error);
    }
  }

  private synced(file: OpenFile): JournalEffect[] {
    for (const entry of this.entries.splice(0, file.syncing)) {
      if ("begin" in entry) continue;
      this.bytes -= entry.bytes;
      this.base = { epoch: this.options.epoch, tick: entry.record.tick };
      this.durable++;
    }
    this.written -= file.syncing;
    file.syncing = 0;
    const recovered = this.attempts > 0;
    this.attempts = 0;
    const effects = this.advance();
    return recovered ? [{ type: "recovered" }, ...effects] : effects;
  }

  private failed(file: OpenFile, error: unknown): JournalEffect[] {
    this.file = undefined;
    this.written = 0;
    const retryMs = Math.min(FIRST_RETRY_MS * 2 ** this.attempts, MAX_RETRY_MS);
    this.attempts++;
    this.backingOff = true;
    return [
      { type: "close", file: file.id },
      { type: "fault", error, retryMs },
      { type: "arm", timer: "retry", ms: retryMs },
    ];
  }

  private advance(): JournalEffect[] {
    const effects: JournalEffect[] = [];
    if (this.backingOff) return effects;
    this.passBegins(effects);
    const file = this.file;
    if (file === undefined) {
      const head = this.entries[0];
      if (head === undefined || "begin" in head || this.base === undefined) return effects;
      this.file = { id: ++this.files, opening: true, writing: 0, syncing: 0 };
      effects.push({ type: "open", file: this.file.id, base: this.base });
      return effects;
    }
    if (file.opening) return effects;
    if (file.writing === 0) {
      const records = this.nextBatch();
      file.writing = records.length;
      if (records.length > 0) effects.push({ type: "write", file: file.id, records });
    }
    this.startSync(file, effects);
    return effects;
  }

  /** Begins the next journal where one is due: the old file must hold nothing that is not durable. */
  private passBegins(effects: JournalEffect[]): void {
    for (let head = this.entries[0]; head !== undefined; head = this.entries[0]) {
      if (!("begin" in head) || head.held || this.file?.opening === true) return;
      if (this.file !== undefined) effects.push({ type: "close", file: this.file.id });
      this.file = undefined;
      this.base = head.begin;
      this.entries.shift();
    }
  }

  private nextBatch(): JournalRecord[] {
    const records: JournalRecord[] = [];
    let bytes = 0;
    for (let at = this.written; at < this.entries.length; at++) {
      const entry = this.entries[at];
      if (entry === undefined || "begin" in entry) break;
      if (records.length > 0 && bytes + entry.bytes > MAX_WRITE_BYTES) break;
      records.push(entry.record);
      bytes += entry.bytes;
    }
    return records;
  }

  private startSync(file: OpenFile, effects: JournalEffect[]): void {
    if (file.syncing > 0) return;
    // Before a new journal the old one is synced to its end, without waiting for the timer.
    const next = this.entries[this.written];
    const ending = file.writing === 0 && next !== undefined && "begin" in next;
    const wanted = this.syncTo > this.durable || ending;
    if (this.written > 0 && wanted) {
      file.syncing = this.written;
      effects.push({ type: "sync", file: file.id });
    } else if (!this.syncArmed && !wanted && this.written + file.writing > 0) {
      this.syncArmed = true;
      effects.push({ type: "arm", timer: "sync", ms: this.options.syncMs });
    }
  }
}
