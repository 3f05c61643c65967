import type { Clock } from "@atlasnet/core";

/** Bytes that are on their way, or wait for a reader, at most; what is beyond them waits at the writer. */
const WINDOW_BYTES = 2 * 1024;
/** Two pieces arrive so far apart at least: more than adding up times is wrong by, which would swap them. */
const APART_MS = 1e-6;

interface Piece {
  readonly bytes: number;
  readonly arrive: () => void;
}

export interface PipeDependencies {
  readonly clock: Clock;
  delay(): number;
  /** Nothing gets through for now: what was sent comes later. */
  isCut(): boolean;
}

/** One direction of a connection: pieces in order, each after a delay, as many as its window and its reader take. */
export class Pipe {
  private readonly deps: PipeDependencies;
  /** Written, and not on their way. */
  private waiting: Piece[] = [];
  private waitingBytes = 0;
  /** Arrived, and not read. */
  private arrived: Piece[] = [];
  /** On their way, or arrived. */
  private window = 0;
  private lastAt = 0;
  private reading = true;
  private over = false;

  constructor(dependencies: PipeDependencies) {
    this.deps = dependencies;
  }

  get backlogBytes(): number {
    return this.waitingBytes;
  }

  /** `arrive` runs when the piece is read at the other end. */
  write(bytes: number, arrive: () => void): void {
    if (this.over) return;
    this.waiting.push({ bytes, arrive });
    this.waitingBytes += bytes;
    this.pump();
  }

  read(reading: boolean): void {
    this.reading = reading;
    if (reading) this.take();
  }

  /** The cut is over. */
  revive(): void {
    this.pump();
  }

  /** Nothing arrives any more. */
  end(): void {
    this.over = true;
    this.waiting = [];
    this.arrived = [];
    this.waitingBytes = 0;
  }

  private pump(): void {
    const { clock } = this.deps;
    while (!this.over && !this.deps.isCut()) {
      const [piece] = this.waiting;
      if (piece === undefined) return;
      if (this.window > 0 && this.window + piece.bytes > WINDOW_BYTES) return;
      this.waiting.shift();
      this.waitingBytes -= piece.bytes;
      this.window += piece.bytes;
      const now = clock.now();
      this.lastAt = Math.max(this.lastAt + APART_MS, now + this.deps.delay());
      clock.setTimer(this.lastAt - now, () => {
        if (this.over) return;
        this.arrived.push(piece);
        this.take();
      });
    }
  }

  private take(): void {
    while (this.reading && !this.over) {
      const piece = this.arrived.shift();
      if (piece === undefined) break;
      this.window -= piece.bytes;
      piece.arrive();
    }
    this.pump();
  }
}
