import { RaftError } from "./raft-error.ts";

interface Waiting {
  readonly index: number;
  readonly deadline: number;
  resolve(): void;
  reject(error: RaftError): void;
}

/** Who waits until this node has applied an index. */
export class AppliedWaiters {
  private waiting: Waiting[] = [];

  add(index: number, deadline: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ index, deadline, resolve, reject });
    });
  }

  reached(index: number): void {
    this.settle(
      (waiting) => waiting.index <= index,
      (waiting) => waiting.resolve(),
    );
  }

  expire(now: number): void {
    this.settle(
      (waiting) => waiting.deadline <= now,
      (waiting) =>
        waiting.reject(
          new RaftError("unknown", `entry ${waiting.index} was not applied here in time`),
        ),
    );
  }

  stop(): void {
    this.settle(
      () => true,
      (waiting) => waiting.reject(new RaftError("stopped", "this node takes no part any more")),
    );
  }

  private settle(which: (waiting: Waiting) => boolean, how: (waiting: Waiting) => void): void {
    if (this.waiting.length === 0) return;
    const done = this.waiting.filter(which);
    if (done.length === 0) return;
    this.waiting = this.waiting.filter((waiting) => !which(waiting));
    for (const waiting of done) how(waiting);
  }
}
