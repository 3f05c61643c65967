import { basename, dirname, join } from "node:path";
import type { Disk, DiskFile } from "@atlasnet/core";
import { asBuffer } from "@atlasnet/core/system";
import { type FramePlace, frameBytes, moveFrame, readFrame } from "../frame.ts";
import { decodeSegmentHeader } from "../segment-file.ts";
import type { WalPlan } from "./wal-simulation.ts";

/**
 * What a wrong log would do, as a disk that does it in its place. The simulation must find each of
 * them; one that it does not find says that the simulation looks away there.
 */
export interface PlantedFault {
  readonly plant: (disk: Disk) => Disk;
  /** What has to go wrong beside it. */
  readonly plan?: Omit<WalPlan, "seed">;
}

const FAILING = { writeError: 0.01, syncError: 0.05, otherError: 0.01 };

/** A disk whose files are changed in some way. */
function withFiles(disk: Disk, wrap: (file: DiskFile, name: string) => DiskFile): Disk {
  return {
    ...disk,
    open: async (path) => wrap(await disk.open(path), basename(path)),
    allocate: async (path, length) => wrap(await disk.allocate(path, length), basename(path)),
  };
}

const isLog = (name: string): boolean => name.startsWith("segment-");

function unsynced(file: DiskFile): DiskFile {
  return { ...file, sync: async () => undefined };
}

/** What is read of segments is mended first, as a reader would see it that is content with anything. */
function withMended(disk: Disk, mend: (file: Buffer, place: FramePlace) => boolean): Disk {
  return {
    ...disk,
    read: async (path) => {
      const file = asBuffer(Uint8Array.from(await disk.read(path)));
      if (!isLog(basename(path))) return file;
      const { header, at } = decodeSegmentHeader(file);
      let place: FramePlace = { salt: header.salt, sequence: header.firstSequence, at };
      for (;;) {
        let found = readFrame(file, place);
        if (found.type !== "frame" && mend(file, place)) found = readFrame(file, place);
        if (found.type !== "frame") return file;
        place = { ...place, sequence: place.sequence + 1, at: found.next };
      }
    },
  };
}

export const PLANTED_FAULTS: { readonly [name: string]: PlantedFault } = {
  "the folder is never synced": {
    plant: (disk) => ({ ...disk, syncDir: async () => undefined }),
  },
  "the log is never synced": {
    plant: (disk) => withFiles(disk, (file, name) => (isLog(name) ? unsynced(file) : file)),
  },
  "a sync is not waited for": {
    plant: (disk) =>
      withFiles(disk, (file, name) =>
        isLog(name)
          ? {
              ...file,
              sync: async () => {
                void file.sync().catch(() => undefined);
              },
            }
          : file,
      ),
  },
  "the sync goes before the write": {
    plant: (disk) =>
      withFiles(disk, (file, name) => {
        if (!isLog(name)) return file;
        let held: Uint8Array = new Uint8Array(0);
        return {
          ...file,
          write: async (bytes) => {
            held = bytes;
          },
          sync: async () => {
            await file.sync();
            await file.write(held);
          },
        };
      }),
  },
  "a failed sync is tried again": {
    plan: { faults: FAILING },
    plant: (disk) =>
      withFiles(disk, (file) => ({ ...file, sync: () => file.sync().catch(() => file.sync()) })),
  },
  "a failed sync is passed over": {
    plan: { faults: FAILING },
    plant: (disk) =>
      withFiles(disk, (file) => ({ ...file, sync: () => file.sync().catch(() => undefined) })),
  },
  "a failed write is passed over": {
    plan: { faults: { ...FAILING, writeError: 0.05 } },
    plant: (disk) =>
      withFiles(disk, (file) => ({
        ...file,
        write: (bytes) => file.write(bytes).catch(() => undefined),
      })),
  },
  "a full disk is passed over": {
    plan: { faults: { capacityBytes: 60_000 } },
    plant: (disk) =>
      withFiles(disk, (file) => ({
        ...file,
        write: (bytes) => file.write(bytes).catch(() => undefined),
      })),
  },
  "a checkpoint is renamed before it is synced": {
    plant: (disk) =>
      withFiles(disk, (file, name) => (name.startsWith("checkpoint-") ? unsynced(file) : file)),
  },
  "old checkpoints go before the new one is durable": {
    plant: (disk) => ({
      ...disk,
      rename: async (from, to) => {
        const dir = dirname(to);
        if (basename(to).startsWith("checkpoint-"))
          for (const name of await disk.list(dir))
            if (name.endsWith(".ckpt")) await disk.remove(join(dir, name));
        await disk.rename(from, to);
      },
    }),
  },
  "the oldest segment goes with every new one": {
    plant: (disk) => ({
      ...disk,
      remove: (path) => disk.remove(path).catch(() => undefined),
      rename: async (from, to) => {
        const dir = dirname(to);
        const [oldest] = (await disk.list(dir)).filter((name) => name.endsWith(".wal"));
        if (isLog(basename(to)) && oldest !== undefined) await disk.remove(join(dir, oldest));
        await disk.rename(from, to);
      },
    }),
  },
  "segments are used again with what was in them": {
    plant: (disk) => {
      let old: Uint8Array | undefined;
      return {
        ...disk,
        remove: async (path) => {
          if (path.endsWith(".wal")) old = await disk.read(path);
          await disk.remove(path);
        },
        allocate: async (path, length) => {
          const found = old;
          if (found === undefined) return disk.allocate(path, length);
          const file = await disk.open(path);
          await file.write(found.subarray(0, length));
          await file.close();
          return overwriting(disk, path);
        },
      };
    },
  },
  "the log is cut at the first damage": {
    plan: { damage: true },
    plant: (disk) =>
      withMended(disk, (file, { at }) => {
        file.fill(0, at);
        return false;
      }),
  },
  "checksums are not compared": {
    plan: { damage: true },
    plant: (disk) =>
      withMended(disk, (file, place) => {
        const length = file.readUInt32LE(place.at + 4);
        if (length === 0 || place.at + frameBytes(length) > file.length) return false;
        moveFrame(place, Buffer.from(file.subarray(place.at + 32, place.at + 32 + length))).copy(
          file,
          place.at,
        );
        return true;
      }),
  },
  "damaged frames are left out": {
    plan: { damage: true },
    plant: (disk) =>
      withMended(disk, (file, place) => {
        const length = file.readUInt32LE(place.at + 4);
        if (length === 0 || place.at + frameBytes(length) > file.length) return false;
        moveFrame(place, Buffer.alloc(0)).copy(file, place.at);
        file.copyWithin(place.at + frameBytes(0), place.at + frameBytes(length));
        return true;
      }),
  },
};

/** Cannot be had from the port: a file that is written over. Made of one that is written anew. */
function overwriting(disk: Disk, path: string): DiskFile {
  let at = 0;
  return {
    write: async (bytes) => {
      const content = Uint8Array.from(await disk.read(path));
      content.set(bytes.subarray(0, Math.max(0, content.length - at)), at);
      at += bytes.length;
      await disk.remove(path);
      const file = await disk.open(path);
      await file.write(content);
      await file.sync();
      await disk.syncDir(dirname(path));
      await file.close();
    },
    sync: async () => undefined,
    close: async () => undefined,
  };
}
