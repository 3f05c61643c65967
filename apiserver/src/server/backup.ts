import {
  ControlError,
  generationOf,
  hexOf,
  type KeyValue,
  type SecureRandom,
} from "@atlasnet/core";
import type { BackupPort } from "../http/ports.ts";
import { RaftError } from "../raft/shell/raft-error.ts";
import { CheckpointDecoder, CheckpointError } from "../store/checkpoint-decoder.ts";
import { encodeCheckpoint } from "../store/checkpoint-encoder.ts";
import { type Command, encodeCommand } from "../store/commands.ts";
import type { OrderedView } from "../store/ordered-map.ts";
import type { ReplicatedStore } from "../store/replicated-store.ts";

/** Of one part of a restore; its last item may go beyond. */
const PART_BYTES = 512 * 1024;
const PART_ITEMS = 2048;
/** A backup has at most so many times the bytes that the store may hold, and a little for what is around them. */
const MAX_BYTES_PER_QUOTA = 2;
const MORE_BYTES = 64 * 1024 * 1024;

export interface GroupBackupDependencies {
  readonly store: ReplicatedStore;
  /** Resolves once the command is applied here. @throws RaftError, ControlError */
  readonly client: { submit(command: Uint8Array): Promise<unknown> };
  readonly random: SecureRandom;
}

/** Backups are checkpoints; a restore goes through the log in parts, and counts with the last one. */
export class GroupBackup implements BackupPort {
  private readonly dependencies: GroupBackupDependencies;

  constructor(dependencies: GroupBackupDependencies) {
    this.dependencies = dependencies;
  }

  async save(): Promise<AsyncIterable<Uint8Array>> {
    const { store } = this.dependencies;
    await store.readBarrier();
    return piecesOf(encodeCheckpoint(store.freeze()));
  }

  async restore(bytes: AsyncIterable<Uint8Array>): Promise<{ readonly revision: number }> {
    const { store, random } = this.dependencies;
    const items = await this.read(bytes);
    await store.readBarrier();
    const before = generationOf(store.figures.revision);
    const restore = hexOf(random.bytes(12));
    let parts = 0;
    await this.submit({ type: "restore-begin", restore });
    for (const part of partsOf(items)) {
      await this.submit({ type: "restore-part", restore, part: parts, items: part });
      parts += 1;
    }
    await this.submit({ type: "restore-end", restore, parts });
    const { revision } = store.figures;
    // Another one that began meanwhile ends this one.
    if (generationOf(revision) === before)
      throw new ControlError("busy", "another restore came in between: nothing was changed", {
        hint: "Try again when it is over.",
      });
    return { revision };
  }

  /** All of it, before anything is changed. */
  private async read(bytes: AsyncIterable<Uint8Array>): Promise<OrderedView<KeyValue>> {
    const most = this.dependencies.store.figures.quotaBytes * MAX_BYTES_PER_QUOTA + MORE_BYTES;
    const decoder = new CheckpointDecoder();
    let size = 0;
    try {
      for await (const piece of bytes) {
        size += piece.length;
        if (size > most)
          throw new ControlError("too-large", `a backup of more than ${most} bytes`, {
            hint: "Is it a backup of this cluster? Raise the quota, or remove what is not needed before the backup.",
          });
        decoder.push(piece);
      }
      return decoder.finish().freeze().items;
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      throw new ControlError(
        "bad-request",
        `that is no backup, or not all of it: ${error.message}`,
        {
          cause: error,
          hint: "Nothing was changed. Take another copy of the backup.",
        },
      );
    }
  }

  private async submit(command: Command): Promise<void> {
    try {
      await this.dependencies.client.submit(encodeCommand(command));
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
      throw new ControlError(codeOf(error), `the restore was given up: ${error.message}`, {
        cause: error,
        hint: "Look at the state of the group (`atlasnet raft status`), then restore again: as a whole, from the beginning.",
      });
    }
  }
}

function codeOf({ code }: RaftError): "no-quorum" | "busy" | "timeout" {
  if (code === "not-leader") return "no-quorum";
  return code === "busy" || code === "superseded" ? "busy" : "timeout";
}

function* partsOf(view: OrderedView<KeyValue>): Generator<readonly KeyValue[]> {
  let from: string | undefined = "";
  while (from !== undefined) {
    const items: KeyValue[] = [];
    let bytes = 0;
    const begin: string = from;
    from = undefined;
    view.visit(begin, (item) => {
      if (bytes >= PART_BYTES || items.length >= PART_ITEMS) {
        from = item.key;
        return false;
      }
      items.push(item);
      bytes += item.key.length + item.value.length;
      return true;
    });
    if (items.length > 0) yield items;
  }
}

/** One at a time, as fast as they are read. */
async function* piecesOf(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
