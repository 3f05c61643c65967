import type {
  Clock,
  LeaderInfo,
  LinkListener,
  LinkNetwork,
  Logger,
  Random,
  TxnRequest,
} from "@atlasnet/core";
import { version } from "@atlasnet/core/node";
import { LeaderRole } from "../leader/leader-role.ts";
import type { Renewals } from "../leader/lease-keeper.ts";
import type { AddressBook } from "../members/address-book.ts";
import { GroupRenewals } from "../node-links/group-renewals.ts";
import { linkedMembers } from "../node-links/linked-members.ts";
import { NodeLinks } from "../node-links/node-links.ts";
import type { PlacementSettings } from "../placement/settings.ts";
import { PeerCalls } from "../raft/shell/peer-calls.ts";
import { PeerLinks } from "../raft/shell/peer-links.ts";
import {
  DEFAULT_REQUEST_TIMEOUT_MS,
  type ReplicatedStore,
  type TakenIn,
} from "../store/replicated-store.ts";
import { GroupAsleep } from "./group-asleep.ts";
import { GroupFailures } from "./group-failures.ts";
import { GroupLoads } from "./group-loads.ts";
import { GroupMigrations } from "./group-migrations.ts";
import { GroupRebalance } from "./group-rebalance.ts";
import { KeepContact } from "./keep-contact.ts";
import { answerTxns, forwardTxns } from "./store-calls.ts";

/** Name of the group that keeps the control state, in messages between apiservers. */
export const GROUP = "control";

export interface ApiserverCoreOptions {
  readonly cluster: string;
  readonly node: string;
  readonly book: AddressBook;
  readonly placement?: PlacementSettings | undefined;
}

export interface ApiserverCoreDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The network stays its creator's. */
  readonly network: LinkNetwork;
  /** Over whatever its log is; it asks `holdsLease` and `forward` of here. */
  readonly store: ReplicatedStore;
  /** The apiservers that nodes may link to. */
  readonly members: () => {
    readonly voters: readonly string[];
    readonly learners: readonly string[];
  };
}

/**
 * What every apiserver has, whatever keeps its log: links to the others and to nodes, the store, and leases and
 * placement while it leads.
 */
export class ApiserverCore {
  readonly links: PeerLinks;
  readonly calls: PeerCalls;
  readonly store: ReplicatedStore;
  /** Leases and placement, while this node leads. */
  readonly leader: LeaderRole;
  readonly loads: GroupLoads;
  readonly failures: GroupFailures;
  readonly asleep: GroupAsleep;
  readonly migrations: GroupMigrations;
  readonly rebalance: GroupRebalance;
  /** Of leases, here or at the leader. */
  readonly renewals: Renewals;
  /** Proxies and gameservers that are linked here. */
  readonly nodes: NodeLinks;
  private readonly forwardTxn: (leader: LeaderInfo, request: TxnRequest) => Promise<TakenIn>;
  private readonly network: LinkNetwork;
  private readonly contact: KeepContact;
  private listener: LinkListener | undefined;

  constructor(options: ApiserverCoreOptions, dependencies: ApiserverCoreDependencies) {
    const { cluster, node, book, placement } = options;
    const { clock, random, logger, network, store, members } = dependencies;
    const timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS;
    this.network = network;
    this.links = new PeerLinks({}, { network, clock, random, logger });
    this.calls = new PeerCalls({ group: GROUP }, { links: this.links, clock });
    this.store = store;
    const { calls } = this;
    this.forwardTxn = forwardTxns(() => calls, timeoutMs);
    answerTxns(calls, store);
    this.leader = new LeaderRole(
      { node, ...(placement && { placement }) },
      { store, clock, logger },
    );
    const leader = () => store.leader();
    this.loads = new GroupLoads(
      { timeoutMs },
      { calls, leader, own: () => this.leader.loads(), clock },
    );
    this.failures = new GroupFailures(
      { timeoutMs },
      { calls, leader, own: () => this.leader.failures(), clock },
    );
    this.asleep = new GroupAsleep(
      { timeoutMs },
      { calls, leader, own: (shards) => this.leader.asleep(shards) },
    );
    this.migrations = new GroupMigrations(
      { timeoutMs },
      { calls, leader, own: () => this.leader.migrations(), clock },
    );
    this.rebalance = new GroupRebalance(
      { timeoutMs },
      { calls, leader, own: () => this.leader.rebalancePlan(), clock },
    );
    const { leases } = this.leader;
    this.renewals = new GroupRenewals({ node, timeoutMs }, { calls, leader, leases });
    this.nodes = new NodeLinks(
      { cluster, node, software: `atlasnet ${version}` },
      {
        ...{ store, clock, logger },
        renewals: this.renewals,
        members: () => linkedMembers(members(), book),
      },
    );
    const { links } = this;
    this.contact = new KeepContact(() => book.contacts.filter((id) => id !== node), {
      links,
      clock,
    });
  }

  /** Takes links. @throws what stands in the way */
  async listen(): Promise<void> {
    this.listener = await this.network.listen((link) =>
      link.peer.role === "apiserver" ? this.links.accept(link) : this.nodes.accept(link),
    );
  }

  /** Begins to lead whenever it does. Once what its log has is loaded, or asked for. */
  start(): void {
    this.leader.start();
    this.contact.start();
  }

  /** For the store, while this apiserver leads. */
  holdsLease(node: string): boolean {
    return this.leader.leases.holds(node);
  }

  /** For the store, while another one leads. */
  forward(leader: LeaderInfo, request: TxnRequest): Promise<TakenIn> {
    return this.forwardTxn(leader, request);
  }

  /** Who leads, or the term, may be another. */
  leaderChanged(): void {
    const leader = this.store.leader();
    if (leader !== undefined) this.calls.leaderIs(leader.node);
    this.store.leaderChanged();
    this.leader.changed();
    if (leader !== undefined) this.nodes.leaderIs(leader);
  }

  /** Serves nobody any more; whoever waits is answered. Idempotent. */
  stop(): void {
    this.nodes.stop();
    this.contact.stop();
    this.leader.stop();
    this.store.stop();
  }

  /** After `stop`, when the log speaks to nobody any more. */
  async close(): Promise<void> {
    this.calls.stop();
    this.links.stop();
    await this.listener?.close();
  }
}
