import type { LeaderRole } from "../leader/leader-role.ts";
import type { Renewals } from "../leader/lease-keeper.ts";
import type { NodeLinks } from "../node-links/node-links.ts";
import type { ReplicatedStore } from "../store/replicated-store.ts";
import type { ApiserverCore } from "./apiserver-core.ts";
import type { GroupAsleep } from "./group-asleep.ts";
import type { GroupFailures } from "./group-failures.ts";
import type { GroupLoads } from "./group-loads.ts";
import type { GroupMigrations } from "./group-migrations.ts";
import type { GroupRebalance } from "./group-rebalance.ts";

/** An apiserver as its service sees it: what its core has, whatever keeps the log below. */
export abstract class CoreMember {
  protected abstract readonly core: ApiserverCore;

  get store(): ReplicatedStore {
    return this.core.store;
  }

  /** Leases and placement, while this node leads. */
  get leader(): LeaderRole {
    return this.core.leader;
  }

  get loads(): GroupLoads {
    return this.core.loads;
  }

  /** What gameservers could not open, here or at the leader. */
  get failures(): GroupFailures {
    return this.core.failures;
  }

  /** Which shards sleep, as nodes told this apiserver or the leader. */
  get asleep(): GroupAsleep {
    return this.core.asleep;
  }

  /** How migrations come along, as nodes told this apiserver or the leader. */
  get migrations(): GroupMigrations {
    return this.core.migrations;
  }

  /** What would be moved for balance, as this apiserver or the leader sees it. */
  get rebalance(): GroupRebalance {
    return this.core.rebalance;
  }

  /** Of leases, here or at the leader. */
  get renewals(): Renewals {
    return this.core.renewals;
  }

  /** Proxies and gameservers that are linked here. */
  get nodes(): NodeLinks {
    return this.core.nodes;
  }
}
