import type { Health } from "@atlasnet/core/node";
import type { ClusterPort, LoadPort, RaftPort, RebalancePort } from "../http/ports.ts";
import type { LeaderRole } from "../leader/leader-role.ts";
import type { Renewals } from "../leader/lease-keeper.ts";
import type { NodeLinks } from "../node-links/node-links.ts";
import type { RaftStatus } from "../raft/core/types.ts";
import type { ReplicatedStore } from "../store/replicated-store.ts";
import type { GroupAsleep } from "./group-asleep.ts";
import type { GroupFailures } from "./group-failures.ts";
import type { GroupMigrations } from "./group-migrations.ts";

/** This apiserver among the others, whatever keeps the log of the control state. */
export interface ControlMember {
  readonly store: ReplicatedStore;
  /** Leases and placement, while this node leads. */
  readonly leader: LeaderRole;
  readonly loads: LoadPort;
  /** What gameservers could not open, here or at the leader. */
  readonly failures: Pick<GroupFailures, "get">;
  /** Which shards sleep, as nodes told this apiserver or the leader. */
  readonly asleep: Pick<GroupAsleep, "of">;
  /** How migrations come along, as nodes told this apiserver or the leader. */
  readonly migrations: Pick<GroupMigrations, "get">;
  readonly rebalance: RebalancePort;
  /** Of leases, here or at the leader. */
  readonly renewals: Renewals;
  /** Proxies and gameservers that are linked here. */
  readonly nodes: NodeLinks;
  /** Has a command of an operator applied, as a restore has them. */
  readonly client: { submit(command: Uint8Array): Promise<unknown> };
  /** The apiservers for the HTTP API. */
  readonly cluster: ClusterPort;
  /** Changes of the group by operators; refused where there is none. */
  readonly raft: RaftPort;
  /** Of the Raft group; undefined where there is none. */
  readonly status: RaftStatus | undefined;
  /** For `/ready`. */
  check(): Health;
  /** Takes links, and takes part; it does not wait for the others. @throws what stands in the way */
  start(): Promise<void>;
  /** Gives leadership away, so that nobody waits when this node stops; at most for so long. Never rejects. */
  handOver(deadlineMs: number): Promise<void>;
  /** Takes no part any more; whoever waits is answered. Idempotent. */
  stop(): Promise<void>;
}
