import type { CheckpointWriter, StoredCheckpoint } from "../../wal/checkpoint-writer.ts";
import type { Checkpoint, ReceivedChunk } from "../core/types.ts";
import type { GroupMachine, RaftStorage } from "./ports.ts";

/** Puts the chunks of the leader's checkpoint together, on the disk; then loads it. */
export class CheckpointInbox {
  private readonly log: RaftStorage;
  private writer: CheckpointWriter | undefined;

  constructor(log: RaftStorage) {
    this.log = log;
  }

  async take({ checkpoint, offset, data }: ReceivedChunk): Promise<void> {
    if (offset === 0) {
      await this.writer?.abort();
      const { index, term, members } = checkpoint;
      this.writer = this.log.beginCheckpoint({ index, term, members });
    }
    if (this.writer?.size !== offset)
      throw new Error(`a chunk at ${offset} of checkpoint ${checkpoint.index} does not follow`);
    await this.writer.write(data);
  }

  /** The whole file, durable; it counts once it is saved. */
  async finish({ index, size }: Checkpoint): Promise<StoredCheckpoint> {
    const { writer } = this;
    this.writer = undefined;
    if (writer?.size !== size) throw new Error(`checkpoint ${index} does not have ${size} bytes`);
    return await writer.finish();
  }
}

/** Loads the newest checkpoint of the log, piece by piece. Its index; 0 when there is none. */
export async function loadCheckpoint(log: RaftStorage, machine: GroupMachine): Promise<number> {
  const reader = await log.readCheckpoint();
  if (reader === undefined) return 0;
  try {
    const install = machine.beginInstall();
    for await (const piece of reader.chunks()) install.push(piece);
    install.finish();
    return reader.checkpoint.index;
  } finally {
    reader.close();
  }
}
