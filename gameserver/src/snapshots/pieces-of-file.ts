import { createHash } from "node:crypto";
import type { ByteStream, Digest } from "@atlasnet/artifacts";
import type { Clock, Disk } from "@atlasnet/core";

/** Read at once: short enough to hold up no tick. */
const PIECE_BYTES = 256 * 1024;

export async function* piecesOfFile(disk: Disk, path: string): ByteStream {
  for (let at = 0; ; ) {
    const piece = await disk.readPart(path, at, PIECE_BYTES);
    if (piece.length === 0) return;
    yield piece;
    at += piece.length;
  }
}

/** @throws DiskError */
export async function digestOfFile(
  disk: Disk,
  path: string,
): Promise<{ digest: Digest; bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of piecesOfFile(disk, path)) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { digest: hash.digest("hex"), bytes };
}

/** Bytes leave at a rate, all streams of a node together. */
export class UploadPace {
  private readonly bytesPerMs: number;
  private readonly clock: Clock;
  /** When the next piece may leave. */
  private freeAt = 0;

  constructor({ bytesPerSecond }: { readonly bytesPerSecond: number }, clock: Clock) {
    this.bytesPerMs = bytesPerSecond / 1000;
    this.clock = clock;
  }

  /** The same pieces. `urgent` is asked before each: those that are count, and do not wait. */
  async *paced(pieces: ByteStream, urgent: () => boolean): ByteStream {
    for await (const piece of pieces) {
      const now = this.clock.now();
      const from = Math.max(now, this.freeAt);
      this.freeAt = from + piece.length / this.bytesPerMs;
      if (from > now && !urgent()) await this.pause(from - now);
      yield piece;
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimer(Math.ceil(ms), resolve);
    });
  }
}
