/**
 * Memory that outgoing frames are written into. Frames of many clients share a chunk, which is given
 * up (never reused) when it is full: a socket may still hold a part of it. What the system took at
 * once, as it nearly always does, is written over by the next batch: new memory costs more than frames.
 *
 * A client whose socket stalls keeps the whole chunk of that frame alive, so chunks are small: what
 * one stalled client costs is one chunk and its own backlog.
 */
export const CHUNK_BYTES = 64 * 1024;

export class FrameArena {
  private readonly allocate: (bytes: number) => Uint8Array;
  private chunk: Uint8Array;
  private used = 0;
  private markedChunk: Uint8Array | undefined;
  private markedAt = 0;

  constructor(allocate: (bytes: number) => Uint8Array) {
    this.allocate = allocate;
    this.chunk = allocate(CHUNK_BYTES);
  }

  /** A place for `bytes` bytes: write from `offset` of `target` on, then call `take`. */
  get offset(): number {
    return this.used;
  }

  /** A batch begins: `rewind` gives back what is taken from here on. */
  mark(): void {
    this.markedChunk = this.chunk;
    this.markedAt = this.used;
  }

  /** Nobody holds anything that was taken since `mark`. */
  rewind(): void {
    this.used = this.chunk === this.markedChunk ? this.markedAt : 0;
  }

  reserve(bytes: number): Uint8Array {
    if (this.used + bytes > this.chunk.length) {
      this.chunk = this.allocate(Math.max(CHUNK_BYTES, bytes));
      this.used = 0;
    }
    return this.chunk;
  }

  /** What was written up to `end`, as a view that stays as it is. */
  take(end: number): Uint8Array {
    const view = this.chunk.subarray(this.used, end);
    this.used = end;
    return view;
  }
}
