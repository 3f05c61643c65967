import type { Link } from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import type { RunOwner } from "../durability/run-file.ts";
import type { WrittenSnapshot } from "../durability/storage-options.ts";
import type { ReplicaNews } from "../host/protocol.ts";

/** What a gameserver asks of whoever gives it its worlds. */
export interface GameserverControl {
  /** See ControlPlane; asked before anything leaves this process. */
  mayAct(): boolean;
  /** A new epoch for a world that goes on. @throws when there is none: it goes on as it is. */
  renew(shard: string): Promise<Ownership>;
  /** A shard is no more: its thread died, or its output could not be held. */
  died(shard: string, problem: string): void;
  /** A shard runs here no more. */
  gone(shard: string): void;
  /** Moves worlds between this gameserver and others. Absent: links of other gameservers are refused. */
  readonly moves?: GameserverMoves | undefined;
  /** Its state is on the disk; `final`: it was stopped there, and is about to be gone. */
  written?(shard: string, snapshot: WrittenSnapshot, final: boolean): void;
  /** It was asleep, and is about to be gone: what was written at this tick is its last state. */
  endedAsleep?(shard: string, owner: RunOwner, tick: number): void;
}

/** What a gameserver tells of whoever moves its worlds. */
export interface GameserverMoves {
  /** Another gameserver opened a link. */
  accept(link: Link): void;
  news(news: ReplicaNews): void;
  /** The threads of these shards and replicas died. */
  died(shards: readonly string[], problem: string): void;
}
