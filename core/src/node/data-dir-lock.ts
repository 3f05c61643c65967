import { randomUUID } from "node:crypto";
import { mkdir, utimes } from "node:fs/promises";
import { hostname, uptime } from "node:os";
import { join } from "node:path";
import type { Logger } from "../logging/logger.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { StorageError, storageError } from "../system/storage-error.ts";
import { codeOf, create, look, named, removeFile } from "./lock-file.ts";
import { judgeLock, type LockFacts, type LockHolder } from "./lock-holder.ts";

const LOCK_FILE = "lock";
/** Held for a moment by whoever replaces a stale lock, so that two do not both do it. */
const TAKEOVER_FILE = "lock.takeover";
/** How often a holder shows that it is alive, by the lock file's time. */
const SIGN_OF_LIFE_MS = 5_000;
/** How long a lock of another machine must show no sign of life before it is taken over. */
const FOREIGN_WAIT_MS = 15_000;
const POLL_MS = 500;
/** A takeover takes milliseconds: one that stands this long was cut off. */
const TAKEOVER_LIMIT_MS = 10_000;

export interface DataDirLockDependencies {
  clock: Clock;
  logger: Logger;
  /** The lock file is gone or another's: stop, for somebody else may write into the directory. */
  onLost?(error: StorageError): void;
  /** For tests; by default this process on this machine. */
  facts?: Partial<LockFacts>;
}

export interface DataDirLock {
  readonly path: string;
  /** Removes the lock. A second call does nothing. */
  release(): Promise<void>;
}

/** Tokens of the locks this process holds: its own number in a lock file proves nothing. */
const ownTokens = new Set<string>();

/**
 * Takes a data directory for this process; makes it when there is none. The lock is a file with the
 * process's number. After kill -9 the next start sees that the process is gone and takes it over; if
 * it was on another machine (or container), after 15 seconds without a sign of life.
 * @throws StorageError `data-dir-locked` naming the process, or `data-dir-unusable`
 */
export async function lockDataDir(
  dir: string,
  dependencies: DataDirLockDependencies,
): Promise<DataDirLock> {
  const { clock } = dependencies;
  const path = join(dir, LOCK_FILE);
  const facts: LockFacts = { ...machineFacts(clock), ...dependencies.facts };
  const holder: LockHolder = {
    pid: facts.pid,
    host: facts.host,
    token: randomUUID(),
    takenAtMs: clock.wallTime(),
  };
  // Before the file is there: another try of this very process must not take it for a stale one.
  ownTokens.add(holder.token);
  try {
    await named("make folder", dir, () => mkdir(dir, { recursive: true }));
    await take(dir, holder, facts, dependencies);
  } catch (error) {
    ownTokens.delete(holder.token);
    throw storageError("data-dir-unusable", `the data directory ${dir} cannot be used`, error);
  }
  return keep(path, holder, dependencies);
}

async function take(
  dir: string,
  holder: LockHolder,
  facts: LockFacts,
  { clock, logger }: DataDirLockDependencies,
): Promise<void> {
  const path = join(dir, LOCK_FILE);
  const foreignUntil = clock.now() + FOREIGN_WAIT_MS;
  let sign: string | undefined;
  let waiting = false;
  while (!(await create(path, JSON.stringify(holder)))) {
    const found = await look(path);
    if (found === undefined) continue;
    const verdict = found.holder === undefined ? "unknown" : judgeLock(found.holder, facts);
    sign ??= found.sign;
    if (verdict === "held" || found.sign !== sign) throw locked(dir, found.holder);
    if (verdict === "unknown" && clock.now() < foreignUntil) {
      if (!waiting)
        logger.info("Waiting for a sign of life of the data directory's holder.", { path });
      waiting = true;
      await pause(clock, POLL_MS);
      continue;
    }
    if (await replaceStale(dir, found.sign, clock)) {
      logger.warn("The last holder of the data directory is gone; its lock was removed.", {
        path,
        pid: found.holder?.pid,
        host: found.holder?.host,
      });
    } else await pause(clock, POLL_MS);
  }
}

/** Removes the lock if it is still the one that was judged. False while another does so. */
async function replaceStale(dir: string, sign: string, clock: Clock): Promise<boolean> {
  const guard = join(dir, TAKEOVER_FILE);
  if (!(await create(guard, ""))) {
    const left = await look(guard);
    if (left !== undefined && clock.wallTime() - left.touchedAtMs > TAKEOVER_LIMIT_MS)
      await removeFile(guard);
    return false;
  }
  try {
    const path = join(dir, LOCK_FILE);
    if ((await look(path))?.sign !== sign) return false;
    await removeFile(path);
    return true;
  } finally {
    await removeFile(guard);
  }
}

/** Shows signs of life until the release, and watches that the lock stays ours. */
function keep(
  path: string,
  holder: LockHolder,
  { clock, logger, onLost }: DataDirLockDependencies,
): DataDirLock {
  let timer: Timer | undefined;
  let released = false;
  const beat = async (): Promise<void> => {
    const found = await look(path);
    if (released) return;
    if (found?.holder?.token !== holder.token) {
      onLost?.(
        new StorageError("data-dir-lock-lost", `the lock ${path} is no longer ours`, {
          facts: { path, pid: found?.holder?.pid, host: found?.holder?.host },
          hint: "Do not remove the lock of a running server; start it again.",
        }),
      );
      return;
    }
    const now = new Date(clock.wallTime());
    await utimes(path, now, now);
  };
  const schedule = (): void => {
    timer = clock.setTimer(SIGN_OF_LIFE_MS, () => {
      const troubled = (error: unknown) =>
        logger.warn("The data directory's lock could not be refreshed.", { path, error });
      void beat()
        .catch(troubled)
        .then(() => {
          if (!released) schedule();
        });
    });
  };
  schedule();
  return {
    path,
    release: async () => {
      if (released) return;
      released = true;
      timer?.cancel();
      ownTokens.delete(holder.token);
      if ((await look(path))?.holder?.token === holder.token) await removeFile(path);
    },
  };
}

function locked(dir: string, holder: LockHolder | undefined): StorageError {
  const who = holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}`;
  return new StorageError("data-dir-locked", `the data directory ${dir} is in use by ${who}`, {
    facts: { path: dir, pid: holder?.pid, host: holder?.host },
    hint: `Stop that process or choose another data directory. If it is no AtlasNet, remove ${join(dir, LOCK_FILE)}.`,
  });
}

function machineFacts(clock: Clock): LockFacts {
  return {
    pid: process.pid,
    host: hostname(),
    bootedAtMs: clock.wallTime() - uptime() * 1000,
    isAlive: (pid) => {
      try {
        return process.kill(pid, 0);
      } catch (error) {
        // EPERM: it runs and is another user's.
        return codeOf(error) === "EPERM";
      }
    },
    isOwn: (token) => ownTokens.has(token),
  };
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(ms, resolve));
}
