/** How a node behaves. Ticks are the runner's: it calls `tick()` at a steady pace, e.g. every 25 ms. */
export interface RaftOptions {
  /** This node's id among the members. */
  readonly id: string;
  /** Which log this is (`Members.incarnations`), a positive integer; 0 leaves the check out. */
  readonly incarnation: number;
  /**
   * A follower that heard nothing from a leader for this many ticks, up to twice as many by chance,
   * starts an election. A leader looks once in so many whether a quorum has answered since the last
   * look, and steps down if not: after twice as many at the latest.
   */
  readonly electionTicks: number;
  /** A leader sends heartbeats so often. */
  readonly heartbeatTicks: number;
  /** Ask before an election whether it can be won: a node that was cut off disturbs nobody. */
  readonly preVote: boolean;
  /** A leader that hears from no quorum steps down, and followers of a live leader refuse elections. */
  readonly checkQuorum: boolean;
  /** A command beyond this is refused (`too-large`). */
  readonly maxEntryBytes: number;
  /** Entries of one append: no more once these bytes are reached; the first always fits. */
  readonly maxBatchBytes: number;
  readonly maxBatchEntries: number;
  /** Appends on their way to one follower; more wait for its answers. */
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  /** Proposals that wait for a quorum; beyond it they are refused (`busy`). */
  readonly maxUncommittedBytes: number;
  /** Reads that wait for a quorum; beyond it they are refused (`busy`). */
  readonly maxPendingReads: number;
  /** Committed entries in one Ready: the runner applies no more at a time. */
  readonly maxCommittedBytes: number;
  /** Bytes of a checkpoint in one message. */
  readonly chunkBytes: number;
  /** Entries kept in memory behind a checkpoint, for followers a little behind: those get no checkpoint. */
  readonly trailingBytes: number;
  /** A learner that lacks at most so many entries is caught up. */
  readonly promotionLag: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_RAFT_OPTIONS: Omit<RaftOptions, "id" | "incarnation"> = {
  electionTicks: 10,
  heartbeatTicks: 2,
  preVote: true,
  checkQuorum: true,
  maxEntryBytes: 2 * MIB,
  maxBatchBytes: 256 * KIB,
  maxBatchEntries: 1024,
  maxInflightMessages: 64,
  maxInflightBytes: 4 * MIB,
  maxUncommittedBytes: 64 * MIB,
  maxPendingReads: 16_384,
  maxCommittedBytes: 1 * MIB,
  chunkBytes: 256 * KIB,
  trailingBytes: 4 * MIB,
  promotionLag: 64,
};

/** Bytes of an entry besides its data, as all bounds count them. */
export const ENTRY_OVERHEAD_BYTES = 24;

/** Members of a group, learners included. */
export const MAX_MEMBERS = 16;

/** A chunk that was not answered is sent again after so many heartbeat answers of its receiver. */
export const CHUNK_RETRY_HEARTBEATS = 4;

export type RaftSettings = Partial<RaftOptions> & Pick<RaftOptions, "id">;

/** Defaults filled in. @throws RangeError for a value that cannot work. */
export function resolveRaftOptions(settings: RaftSettings): RaftOptions {
  const options: RaftOptions = { ...DEFAULT_RAFT_OPTIONS, incarnation: 0, ...settings };
  for (const [name, value] of Object.entries(options)) {
    if (typeof value !== "number") continue;
    const least =
      name === "incarnation" || name === "trailingBytes" || name === "promotionLag" ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least)
      throw new RangeError(`raft ${name}: an integer from ${least} is needed, not ${value}`);
  }
  if (options.id === "") throw new RangeError("raft id: a node needs a name");
  if (options.electionTicks <= options.heartbeatTicks)
    throw new RangeError(
      `raft electionTicks: ${options.electionTicks} must be more than heartbeatTicks (${options.heartbeatTicks}), or followers never trust a leader`,
    );
  return options;
}
