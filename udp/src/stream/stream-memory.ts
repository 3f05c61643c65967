/**
 * Memory that many streams share for bytes that came early. A stream that gets none drops what it would
 * have kept, as if it were lost, so it comes again in order: slower, but whoever fills the memory does not
 * bring the process down.
 */
export class StreamMemory {
  private left: number;

  constructor(bytes: number) {
    this.left = bytes;
  }

  /** False, and nothing is taken, when there is not as much. */
  take(bytes: number): boolean {
    if (bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.left += bytes;
  }

  /** Bytes that may still be taken. */
  get available(): number {
    return this.left;
  }
}
