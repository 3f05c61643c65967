import type { Disk, DiskFile } from "@atlasnet/core";
import type { RaftStorage } from "../raft/shell/ports.ts";
import type { Save } from "../wal/wal-options.ts";
import type { ControlFaults } from "./faults.ts";

/** A disk that says it has synced, and has not: but for the first time, so that a file's beginning is there. */
export function withoutSync(disk: Disk): Disk {
  const file = (found: DiskFile): DiskFile => {
    let synced = false;
    return {
      write: (bytes) => found.write(bytes),
      sync: async () => {
        if (!synced) await found.sync();
        synced = true;
      },
      close: () => found.close(),
    };
  };
  return {
    makeDir: (path) => disk.makeDir(path),
    list: (dir) => disk.list(dir),
    read: (path) => disk.read(path),
    readPart: (path, at, length) => disk.readPart(path, at, length),
    open: async (path) => file(await disk.open(path)),
    allocate: async (path, length) => file(await disk.allocate(path, length)),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncDir: (dir) => disk.syncDir(dir),
  };
}

/** A log's storage whose saves are seen before they begin. */
export function observed(
  log: RaftStorage,
  faults: ControlFaults,
  onSave: (save: Save) => void,
): RaftStorage {
  return {
    identity: log.identity,
    get bytesSinceCheckpoint() {
      return log.bytesSinceCheckpoint;
    },
    save: async (save) => {
      onSave(save);
      if (!faults.has("goes-on-after-failed-sync")) return await log.save(save);
      await log.save(save).catch(() => {});
    },
    beginCheckpoint: (place) => log.beginCheckpoint(place),
    readCheckpoint: () => log.readCheckpoint(),
  };
}
