/** Epoch and timeline are those it acts under now: `Succession.assume` changes them. */
export interface ShardOptions {
  /** The shard's id, `<world>/0`. */
  shard: string;
  epoch: number;
  timeline: number;
  seed: number;
  /** Ticks a session waits for its lost client. */
  graceTicks: number;
  maxSessions: number;
  outboxMessages: number;
  outboxBytes: number;
}
