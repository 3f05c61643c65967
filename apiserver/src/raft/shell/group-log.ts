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

/** A log that was opened, and what it holds. */
interface OpenedLog {
  readonly log: WriteAheadLog;
  readonly stored: StoredState;
}

/**
 * Gives a log that holds nothing yet what a first voter of a new group begins with when `firstVoters` are given
 * (the same ones on each of them), or what a node begins with that an existing group adds. When that fails
 * the log is closed with `close`. @throws WalError, StorageError
 */
export async function beginLog<Opened extends OpenedLog>(
  opened: Opened,
  firstVoters: readonly string[] | undefined,
  close: () => Promise<void>,
): Promise<Opened & { readonly stored: StoredState; readonly isNew: boolean }> {
  const { log, stored } = opened;
  const { term, vote } = stored.hardState;
  const isNew =
    term === 0 && vote === "" && stored.entries.length === 0 && stored.checkpoint === undefined;
  if (!isNew) return { ...opened, isNew };
  const first = firstVoters === undefined ? EMPTY_STATE : bootstrapState(firstVoters);
  try {
    await log.save({ hardState: first.hardState, entries: first.entries });
  } catch (error) {
    await close();
    throw error;
  }
  return { ...opened, stored: first, isNew };
}

/** Opens a member's log on a disk that nobody else uses. Whoever opens it closes it. @throws WalError, StorageError */
export async function openGroupLog(
  options: WalOptions & { readonly firstVoters?: readonly string[] | undefined },
  dependencies: WalDependencies,
): Promise<GroupLog> {
  const { firstVoters, ...walOptions } = options;
  const opened = await WriteAheadLog.open(walOptions, dependencies);
  return beginLog(opened, firstVoters, () => opened.log.close());
}
