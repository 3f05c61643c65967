import { OperatingError } from "@atlasnet/core";

/**
 * - `wal-damaged`: a file is not what was written. `wal-incomplete`: files are missing.
 * - `wal-newer-format`: written by a newer AtlasNet.
 * - `wal-wrong-cluster`, `wal-wrong-node`, `wal-mixed`: not this node's directory.
 * - `wal-missing`: there is no log although one was expected.
 * - `wal-failed`: the disk failed; the node has to stop. `wal-overrun`: it is far too slow.
 */
export type WalErrorCode =
  | "wal-damaged"
  | "wal-incomplete"
  | "wal-newer-format"
  | "wal-wrong-cluster"
  | "wal-wrong-node"
  | "wal-mixed"
  | "wal-missing"
  | "wal-failed"
  | "wal-overrun";

/** Something about the files of the Raft log that a person has to mend. */
export class WalError extends OperatingError {}

/** What to do about a log that cannot be used: the copies of the other nodes are as good. */
export const REPLACE_NODE_HINT =
  "Nothing was changed. Do not mend the file: bring it back from a copy of the disk, if there is one of this " +
  "node's last moment. The other apiservers go on without this node while they have a quorum. To replace it, " +
  "remove it from the group (`atlasnet raft rm ID`), put its folder away, start it with an empty one, and add it " +
  'again (`atlasnet raft add ID --address HOST:PORT`); docs/operations.md, "Replacing an apiserver".';

/** A file is not what was written to it. `at` is the byte where that shows. */
export function damaged(path: string, at: number, problem: string, cause?: unknown): WalError {
  return new WalError("wal-damaged", `${path} is damaged at byte ${at}: ${problem}`, {
    facts: { path, at },
    hint: REPLACE_NODE_HINT,
    cause,
  });
}

export function incomplete(dir: string, what: string): WalError {
  return new WalError("wal-incomplete", `the Raft log in ${dir} is incomplete: ${what}`, {
    facts: { path: dir },
    hint: REPLACE_NODE_HINT,
  });
}
