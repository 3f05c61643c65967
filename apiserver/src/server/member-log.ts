import type { StoredState } from "../raft/core/types.ts";
import { beginLog } from "../raft/shell/group-log.ts";
import { type NodeLog, type NodeLogDependencies, openNodeLog } from "../wal/open-node-log.ts";
import type { WalOptions } from "../wal/wal-options.ts";

export interface MemberLog extends Pick<NodeLog, "log" | "close"> {
  readonly stored: StoredState;
  /** It was made just now. */
  readonly isNew: boolean;
}

/**
 * Opens a member's log on this machine's disk, for this process alone. A new one gets what a first voter of a
 * new group begins with when `firstVoters` are given (the same on each of them), else what a node begins with
 * that an existing group adds. Whoever opens it closes it. @throws WalError, StorageError
 */
export async function openMemberLog(
  { firstVoters, ...options }: WalOptions & { readonly firstVoters: readonly string[] | undefined },
  dependencies: NodeLogDependencies,
): Promise<MemberLog> {
  const opened = await openNodeLog(options, dependencies);
  return beginLog(opened, firstVoters, () => opened.close());
}
