import { join } from "node:path";
import type { Disk, Logger } from "@atlasnet/core";
import { storageError } from "@atlasnet/core/system";
import { removeIfThere, writeAtomically } from "./atomic-write.ts";
import { replicaName, shardFolder, sortShardFiles } from "./file-names.ts";
import { readSnapshot } from "./recover-shard.ts";
import { encodeSnapshot, type Snapshot, type SnapshotHeader } from "./snapshot-file.ts";

export interface ReplicaFileOptions {
  /** The data directory. */
  dir: string;
  world: string;
  shard: string;
}

/**
 * The copy of a state that this node is to take over, for the moments between a switch and its first own snapshot: if
 * the process ends there, the next one goes on from the copy. Nothing else in the shard's folder is touched.
 */
export class ReplicaFile {
  private readonly dir: string;
  private readonly options: ReplicaFileOptions;
  private readonly disk: Disk;
  private readonly logger: Logger;

  constructor(options: ReplicaFileOptions, dependencies: { disk: Disk; logger: Logger }) {
    this.options = options;
    this.dir = shardFolder(options.dir, options.world, options.shard);
    this.disk = dependencies.disk;
    this.logger = dependencies.logger;
  }

  /** Durable when it resolves. `created`: of the world's record. @throws StorageError */
  async write(
    created: number,
    facts: Omit<SnapshotHeader, "world" | "shard">,
    state: Uint8Array,
  ): Promise<void> {
    const { world, shard } = this.options;
    const header: SnapshotHeader = { ...facts, world, shard };
    try {
      await this.disk.makeDir(this.dir);
      await writeAtomically(
        this.disk,
        this.dir,
        replicaName(created),
        encodeSnapshot(header, state),
      );
    } catch (error) {
      throw storageError("storage-unusable", `a copy of world ${world} cannot be kept`, error);
    }
  }

  /** The copy that is there; undefined when there is none, or none that is readable. @throws DiskError */
  async read(created: number): Promise<Snapshot | undefined> {
    const name = replicaName(created);
    if (!(await this.disk.list(this.dir)).includes(name)) return undefined;
    const { world, shard } = this.options;
    const read = await readSnapshot({ dir: this.dir, world, shard }, name, this.disk);
    if (read.ok) return read.value;
    this.logger.error("The copy of a world that came from another node is not readable.", {
      file: join(this.dir, name),
      problem: read.problem,
    });
    return undefined;
  }

  /** Removes every copy, those of earlier worlds of the name as well. @throws DiskError */
  async remove(): Promise<void> {
    await this.disk.makeDir(this.dir);
    const { replicas } = sortShardFiles(await this.disk.list(this.dir));
    for (const name of replicas) await removeIfThere(this.disk, join(this.dir, name));
    if (replicas.length > 0) await this.disk.syncDir(this.dir);
  }
}
