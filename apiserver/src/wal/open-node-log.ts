import type { Clock, Logger, Random } from "@atlasnet/core";
import { lockDataDir } from "@atlasnet/core/node";
import { NodeDisk } from "@atlasnet/core/system";
import type { Stored, WalOptions } from "./wal-options.ts";
import { WriteAheadLog } from "./write-ahead-log.ts";

export interface NodeLogDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** The log failed, for good, or its folder is another process's now: stop the node. Called once. */
  onFailed?(error: unknown): void;
}

export interface NodeLog {
  readonly log: WriteAheadLog;
  readonly stored: Stored;
  /** Closes the log and gives up the folder. A second call waits for the first. */
  close(): Promise<void>;
}

/**
 * Opens the log of a folder on this machine's disk, for this process alone.
 * @throws StorageError `data-dir-locked` naming the process that has it, or as WriteAheadLog.open
 */
export async function openNodeLog(
  options: WalOptions,
  dependencies: NodeLogDependencies,
): Promise<NodeLog> {
  const { clock, logger } = dependencies;
  let opened: { log: WriteAheadLog; stored: Stored } | undefined;
  let lost: unknown;
  const onLost = (error: unknown): void => {
    lost = error;
    opened?.log.fail(error);
  };
  const lock = await lockDataDir(options.dir, { clock, logger, onLost });
  try {
    opened = await WriteAheadLog.open(options, { ...dependencies, disk: new NodeDisk() });
  } catch (error) {
    await lock.release();
    throw error;
  }
  const { log, stored } = opened;
  if (lost !== undefined) log.fail(lost);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await log.close();
    await lock.release();
  };
  return {
    log,
    stored,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
