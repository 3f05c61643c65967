import {
  controlKey,
  controlValue,
  decodeCbor,
  exactly,
  type FieldCheck,
  type KeyValue,
  listOf,
  OperatingError,
  optional,
  requestId,
  text,
  unsigned,
  variants,
  word,
} from "@atlasnet/core";
import { CHECKPOINT_FORMAT, checkpointHash } from "./checkpoint-encoder.ts";
import { Items } from "./items.ts";
import { type Remembered, RequestMemory, type TxnOutcome } from "./request-memory.ts";
import { type Staged, StateMachine, type StateMachineOptions } from "./state-machine.ts";

/** A record is 64 KiB and one item long at most. */
const MAX_RECORD_BYTES = 1024 * 1024;
const MAX_RECORD_ITEMS = 1024;
const SCAN_LIMITS = { maxDepth: 4, maxItems: 16_384 } as const;

/** A checkpoint that cannot be taken: damaged, or of another version. */
export class CheckpointError extends OperatingError {
  constructor(problem: string, offset: number) {
    super("bad-checkpoint", `checkpoint: at byte ${offset}: ${problem}`, {
      facts: { offset },
      hint: "Remove this node from the group, empty its data directory and add it again: it gets a new checkpoint from the leader.",
    });
  }
}

const item = tuple([controlKey, controlValue, unsigned, unsigned, unsigned]);
const done = tuple([requestId, unsigned, word("done"), isBoolean, unsigned]);
const undone = tuple([requestId, unsigned, word("quota", "too-large", "no-lease")]);

const recordCheck = variants({
  head: {
    format: unsigned,
    index: unsigned,
    term: unsigned,
    revision: unsigned,
    quotaBytes: unsigned,
    staged: optional(exactly({ restore: requestId, nextPart: unsigned })),
  },
  items: { items: listOf(MAX_RECORD_ITEMS, item) },
  staged: { items: listOf(MAX_RECORD_ITEMS, item) },
  remembered: {
    remembered: listOf(MAX_RECORD_ITEMS, (value) =>
      done(value) === undefined ? undefined : undone(value),
    ),
  },
  end: { hash: text(1, 200) },
});

type ItemFields = readonly [string, Uint8Array, number, number, number];
type RememberedFields = readonly [string, number, TxnOutcome["code"], boolean?, number?];
interface Head {
  readonly format: number;
  readonly index: number;
  readonly term: number;
  readonly revision: number;
  readonly quotaBytes: number;
  readonly staged?: { readonly restore: string; readonly nextPart: number };
}
type CheckpointRecord =
  | ({ readonly type: "head" } & Head)
  | { readonly type: "items" | "staged"; readonly items: readonly ItemFields[] }
  | { readonly type: "remembered"; readonly remembered: readonly RememberedFields[] }
  | { readonly type: "end"; readonly hash: string };

/**
 * Takes a checkpoint's bytes as they come, cut anywhere. The work of a `push` is in proportion to its
 * bytes: a few hundred microseconds for 64 KiB.
 */
export class CheckpointDecoder {
  private readonly options: StateMachineOptions;
  private readonly items = new Items();
  private readonly stagedItems = new Items();
  private readonly memory: RequestMemory;
  private head: Head | undefined;
  private hash: string | undefined;
  /** Bytes of a record that has not come as a whole. */
  private rest: Uint8Array = new Uint8Array(0);
  private offset = 0;

  constructor(options: StateMachineOptions = {}) {
    this.options = options;
    this.memory = new RequestMemory(options.remembered);
  }

  /** @throws CheckpointError; the decoder is of no use afterwards. */
  push(bytes: Uint8Array): void {
    let left = bytes;
    if (this.rest.length > 0) {
      left = new Uint8Array(this.rest.length + bytes.length);
      left.set(this.rest);
      left.set(bytes, this.rest.length);
    }
    while (left.length >= 4) {
      const length = new DataView(left.buffer, left.byteOffset).getUint32(0);
      if (length > MAX_RECORD_BYTES) throw this.bad(`a record of ${length} bytes`);
      if (left.length < 4 + length) break;
      // One buffer for the values of a record: hundreds of thousands of small ones burden the collector.
      this.record(left.slice(4, 4 + length));
      this.offset += 4 + length;
      left = left.subarray(4 + length);
    }
    this.rest = left.slice();
  }

  /** The machine, once everything has come. @throws CheckpointError */
  finish(): StateMachine {
    const { head, hash, items, memory } = this;
    if (head === undefined || hash === undefined || this.rest.length > 0)
      throw this.bad("it ends too early");
    const staged: Staged | undefined = head.staged && { ...head.staged, items: this.stagedItems };
    const machine = StateMachine.from(head, { items, staged, memory }, this.options);
    if (checkpointHash({ ...machine.applied, hash: machine.hash }) !== hash)
      throw this.bad("its content does not have the hash it names");
    return machine;
  }

  private record(bytes: Uint8Array): void {
    const decoded = decodeCbor(bytes, SCAN_LIMITS);
    if (!decoded.ok) throw this.bad(decoded.problem);
    const format = formatOf(decoded.value);
    if (format !== undefined && format !== CHECKPOINT_FORMAT)
      throw this.bad(`format ${format}; this version reads ${CHECKPOINT_FORMAT}`);
    const problem = recordCheck(decoded.value);
    if (problem !== undefined) throw this.bad(problem);
    const record = decoded.value as CheckpointRecord;
    if ((record.type === "head") !== (this.head === undefined) || this.hash !== undefined)
      throw this.bad(`a record ${record.type} that does not belong here`);
    switch (record.type) {
      case "head":
        this.head = record;
        return;
      case "items":
        for (const fields of record.items) this.items.put(itemOf(fields));
        return;
      case "staged":
        for (const fields of record.items) this.stagedItems.put(itemOf(fields));
        return;
      case "remembered":
        for (const fields of record.remembered) this.memory.remember(rememberedOf(fields));
        return;
      case "end":
        this.hash = record.hash;
    }
  }

  private bad(problem: string): CheckpointError {
    return new CheckpointError(problem, this.offset);
  }
}

function itemOf([key, value, created, modified, version]: ItemFields): KeyValue {
  return { key, value, created, modified, version };
}

function rememberedOf([id, index, code, succeeded, revision]: RememberedFields): Remembered {
  return code === "done"
    ? { id, index, outcome: { code, succeeded: succeeded === true, revision: revision ?? 0 } }
    : { id, index, outcome: { code } };
}

function formatOf(value: unknown): number | undefined {
  return typeof value === "object" && value !== null && "format" in value
    ? Number(value.format)
    : undefined;
}

function tuple(checks: readonly FieldCheck[]): FieldCheck {
  return (value) => {
    if (!Array.isArray(value) || value.length !== checks.length)
      return `a list of ${checks.length} is needed`;
    for (const [at, check] of checks.entries()) {
      const problem = check(value[at]);
      if (problem !== undefined) return `${at}: ${problem}`;
    }
    return undefined;
  };
}

function isBoolean(value: unknown): string | undefined {
  return typeof value === "boolean" ? undefined : "true or false is needed";
}
