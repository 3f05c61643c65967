import { Progress } from "./progress.ts";
import { ReadQueue } from "./reads.ts";

/** Leadership that is being handed over. */
export interface Transfer {
  readonly to: string;
  /** Ticks until the leader takes proposals again. */
  ticksLeft: number;
  /** The target was told to start its election. */
  told: boolean;
}

/** What a node holds only while it leads; forgotten when it steps down. */
export class Leadership {
  readonly followers = new Map<string, Progress>();
  readonly reads = new ReadQueue();
  /** Index of the no-op that began this term. */
  readonly noOpIndex: number;
  transfer: Transfer | undefined;
  heartbeatElapsed = 0;
  quorumElapsed = 0;
  /** The newest heartbeat round. */
  round = 0;
  uncommittedBytes = 0;
  /** Members beyond this index were already looked at after their commit. */
  settledCommit = 0;

  constructor(noOpIndex: number) {
    this.noOpIndex = noOpIndex;
  }

  /** Follows a change of members: those new get a probe from `next` on, those gone are forgotten. */
  setFollowers(ids: readonly string[], next: number): void {
    for (const id of this.followers.keys()) if (!ids.includes(id)) this.followers.delete(id);
    for (const id of ids)
      if (!this.followers.has(id)) this.followers.set(id, new Progress(id, next));
  }
}
