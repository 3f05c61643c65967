import {
  type Compare,
  compareCheck,
  decodeCbor,
  encodeCbor,
  exactly,
  type FieldCheck,
  itemCheck,
  type KeyValue,
  listOf,
  MAX_TXN_PARTS,
  OperatingError,
  type Operation,
  operationCheck,
  optional,
  requestId,
  unsigned,
  variants,
  withWireIntegers,
  word,
} from "@atlasnet/core";
import {
  MAX_COMMAND_BYTES,
  MAX_COMMAND_TXNS,
  MAX_QUOTA_BYTES,
  MAX_RESTORE_ITEMS,
} from "./limits.ts";

/** A transaction as it stands in the log. */
export interface TxnCommand {
  readonly id?: string;
  readonly compare: readonly Compare[];
  readonly then: readonly Operation[];
  readonly otherwise?: readonly Operation[];
  /** It changes nothing; it is in the log so that its id has one answer everywhere. */
  readonly refused?: "no-lease";
}

/** What the log holds: one CBOR map each, under these names. */
export type Command =
  | { readonly type: "txns"; readonly txns: readonly TxnCommand[] }
  | { readonly type: "quota"; readonly bytes: number }
  /** A restore in parts: it takes effect as a whole with its end, and replaces everything. */
  | { readonly type: "restore-begin"; readonly restore: string }
  | {
      readonly type: "restore-part";
      readonly restore: string;
      /** From 0, one by one; another than the next one ends the restore without effect. */
      readonly part: number;
      readonly items: readonly KeyValue[];
    }
  | { readonly type: "restore-end"; readonly restore: string; readonly parts: number };

/** Text around a batch at its largest: well below the room of MAX_COMMAND_BYTES. */
const SCAN_LIMITS = { maxDepth: 6, maxItems: 1_000_000 } as const;

const txnFields = {
  id: optional(requestId),
  compare: listOf(MAX_TXN_PARTS, compareCheck),
  then: listOf(MAX_TXN_PARTS, operationCheck),
  otherwise: optional(listOf(MAX_TXN_PARTS, operationCheck)),
  refused: optional(word("no-lease")),
};

const commandCheck: FieldCheck = variants({
  txns: { txns: listOf(MAX_COMMAND_TXNS, exactly(txnFields)) },
  quota: { bytes: upTo(MAX_QUOTA_BYTES) },
  "restore-begin": { restore: requestId },
  "restore-part": {
    restore: requestId,
    part: unsigned,
    items: listOf(MAX_RESTORE_ITEMS, itemCheck),
  },
  "restore-end": { restore: requestId, parts: unsigned },
});

/**
 * A command that stands in the log and cannot be read. To go on without it would let this replica drift
 * away from the others, so the node stops.
 */
export class CommandError extends OperatingError {
  constructor(problem: string, index: number) {
    super("unreadable-command", `the log's entry ${index}: ${problem}`, {
      facts: { index },
      hint: "A newer apiserver may have written it: run the same version on all of them. Otherwise replace this node.",
    });
  }
}

/** @throws RangeError for a command out of its bounds: a fault of whoever made it. */
export function encodeCommand(command: Command): Uint8Array {
  const problem = commandCheck(command);
  if (problem !== undefined) throw new RangeError(`command: ${problem}`);
  const bytes = encodeCbor(withWireIntegers(command));
  if (bytes.length > MAX_COMMAND_BYTES)
    throw new RangeError(`command: ${bytes.length} bytes; at most ${MAX_COMMAND_BYTES}`);
  // The encoder's buffer is shared, and the log keeps what it gets.
  return bytes.slice();
}

/** Byte strings of the result are views into `bytes`. @throws CommandError */
export function decodeCommand(bytes: Uint8Array, index: number): Command {
  const decoded = decodeCbor(bytes, SCAN_LIMITS);
  if (!decoded.ok) throw new CommandError(decoded.problem, index);
  const problem = commandCheck(decoded.value);
  if (problem !== undefined) throw new CommandError(problem, index);
  return decoded.value as Command;
}

function upTo(max: number): FieldCheck {
  return (value) =>
    unsigned(value) ?? (Number(value) <= max ? undefined : `an integer from 0 to ${max} is needed`);
}
