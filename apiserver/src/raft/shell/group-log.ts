import type { WalDependencies, WalOptions } from "../../wal/wal-options.ts";
import { WriteAheadLog } from "../../wal/write-ahead-log.ts";
import { bootstrapState, EMPTY_STATE } from "../core/bootstrap.ts";
import type { StoredState } from "../core/types.ts";

export interface GroupLog {
  readonly log: WriteAheadLog;
  readonly stored: StoredState;
  /** It was made just now. */
  readonly isNew: boolean;
}

/**
 * Opens a member's log. One that holds nothing yet gets what a first voter of a new group begins with
 * when `firstVoters` are given (the same ones on each of them), or what a node begins with that an
 * existing group adds. Whoever opens it closes it. @throws WalError, StorageError
 */
export async function openGroupLog(
  options: WalOptions & { readonly firstVoters?: readonly string[] | undefined },
  dependencies: WalDependencies,
): Promise<GroupLog> {
  const { firstVoters, ...walOptions } = options;
  const { log, stored } = await WriteAheadLog.open(walOptions, dependencies);
  const { term, vote } = stored.hardState;
  const isNew =
    term === 0 && vote === "" && stored.entries.length === 0 && stored.checkpoint === undefined;
  if (!isNew) return { log, stored, isNew };
  const first = firstVoters === undefined ? EMPTY_STATE : bootstrapState(firstVoters);
  try {
    await log.save({ hardState: first.hardState, entries: first.entries });
  } catch (error) {
    await log.close();
    throw error;
  }
  return { log, stored: first, isNew };
}
