import type { Clock, LinkListener, LinkNetwork, Logger, Random } from "@atlasnet/core";
import { type NodeAddress, version } from "@atlasnet/core/node";
import { LeaderRole } from "../leader/leader-role.ts";
import type { Renewals } from "../leader/lease-keeper.ts";
import { AddressBook } from "../members/address-book.ts";
import { GroupAdmin } from "../members/group-admin.ts";
import { LifeCheck } from "../members/life-check.ts";
import { MembersRecorder } from "../members/members-recorder.ts";
import { RemovalWatch } from "../members/removal-watch.ts";
import { GroupRenewals } from "../node-links/group-renewals.ts";
import { linkedMembers } from "../node-links/linked-members.ts";
import { NodeLinks } from "../node-links/node-links.ts";
import type { RaftSettings } from "../raft/core/options.ts";
import type { StoredState } from "../raft/core/types.ts";
import { AtlasRaft } from "../raft/shell/atlas-raft.ts";
import { GroupClient } from "../raft/shell/group-client.ts";
import { GroupReplicatedLog } from "../raft/shell/group-log-port.ts";
import { LinkTransport } from "../raft/shell/link-transport.ts";
import { PeerCalls } from "../raft/shell/peer-calls.ts";
import { PeerLinks } from "../raft/shell/peer-links.ts";
import type { RunnerEvents } from "../raft/shell/ports.ts";
import type { RaftRunner } from "../raft/shell/raft-runner.ts";
import type { RunnerOptions } from "../raft/shell/runner-options.ts";
import { DEFAULT_REQUEST_TIMEOUT_MS, ReplicatedStore } from "../store/replicated-store.ts";
import type { WriteAheadLog } from "../wal/write-ahead-log.ts";
import { GroupLoads } from "./group-loads.ts";
import { KeepContact } from "./keep-contact.ts";
import { answerTxns, forwardTxns } from "./store-calls.ts";

/** Name of the group that keeps the control state, in messages between apiservers. */
const GROUP = "control";

export interface GroupMemberOptions {
  readonly cluster: string;
  readonly node: string;
  /** Other apiservers, by node id, as the settings name them. */
  readonly peers: ReadonlyMap<string, NodeAddress>;
  /** Where apiservers are, which the network looks up in, too; default: one of `peers` alone. */
  readonly book?: AddressBook;
  readonly core: Omit<RaftSettings, "id" | "incarnation">;
  readonly runner: Partial<RunnerOptions>;
}

export interface GroupMemberDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The network stays its creator's. */
  readonly network: LinkNetwork;
  /** The log, too, to be closed after `stop`. */
  readonly log: WriteAheadLog;
  readonly stored: StoredState;
  readonly events: Pick<RunnerEvents, "onFailed" | "onRetired"> & {
    onChange(): void;
    /** The group has removed this apiserver. */
    onRemoved?(): void;
    /** Its log is an old copy: a later life of it has been here. */
    onOldCopy?(): void;
  };
}

/** This node in the group of the control state: links, Raft, and the control store over it. */
export class GroupMember {
  readonly store: ReplicatedStore;
  readonly runner: RaftRunner;
  readonly client: GroupClient;
  readonly transport: LinkTransport;
  readonly links: PeerLinks;
  /** Leases and placement, while this node leads. */
  readonly leader: LeaderRole;
  readonly loads: GroupLoads;
  /** Of leases, here or at the leader. */
  readonly renewals: Renewals;
  /** Proxies and gameservers that are linked here. */
  readonly nodes: NodeLinks;
  /** Changes of the group by operators. */
  readonly admin: GroupAdmin;
  private readonly book: AddressBook;
  private readonly recorder: MembersRecorder;
  private readonly removal: RemovalWatch;
  private readonly life: LifeCheck;
  private followed: { close(): void } | undefined;
  private readonly clock: Clock;
  private readonly raft: AtlasRaft;
  private readonly calls: PeerCalls;
  private readonly contact: KeepContact;
  private readonly network: LinkNetwork;
  private listener: LinkListener | undefined;

  constructor(options: GroupMemberOptions, dependencies: GroupMemberDependencies) {
    const { cluster, node, core, runner, peers, book = new AddressBook(peers) } = options;
    const { clock, random, logger, network, log, stored, events } = dependencies;
    this.network = network;
    this.clock = clock;
    this.book = book;
    this.links = new PeerLinks({}, { network, clock, random, logger });
    this.transport = new LinkTransport({ node, group: GROUP }, { links: this.links, logger });
    this.calls = new PeerCalls({ group: GROUP }, { links: this.links, clock });
    const replicated = new GroupReplicatedLog({ node });
    this.store = new ReplicatedStore(
      {},
      {
        log: replicated,
        clock,
        random,
        holdsLease: (holder) => this.leader.leases.holds(holder),
        forward: forwardTxns(() => this.calls, DEFAULT_REQUEST_TIMEOUT_MS),
      },
    );
    answerTxns(this.calls, this.store);
    this.leader = new LeaderRole({ node }, { store: this.store, clock, logger });
    this.loads = new GroupLoads(
      { timeoutMs: DEFAULT_REQUEST_TIMEOUT_MS },
      {
        calls: this.calls,
        leader: () => this.store.leader(),
        own: () => this.leader.loads(),
        clock,
      },
    );
    this.raft = new AtlasRaft(
      { core: { ...core, id: node, incarnation: log.identity.incarnation }, runner },
      stored,
      {
        clock,
        random,
        log,
        transport: this.transport,
        machine: replicated,
        logger,
        events: {
          ...events,
          onChange: () => {
            const leader = replicated.leader();
            if (leader !== undefined) this.calls.leaderIs(leader.node);
            replicated.leaderChanged();
            this.leader.changed();
            events.onChange();
          },
        },
      },
    );
    this.runner = this.raft.runner;
    this.transport.onMessage((message) => this.raft.emit("data", message));
    this.client = new GroupClient(
      { node, timeoutMs: DEFAULT_REQUEST_TIMEOUT_MS },
      { runner: this.runner, calls: this.calls },
    );
    replicated.join({ runner: this.runner, client: this.client }, () => this.store.freeze());
    this.contact = new KeepContact(() => book.contacts.filter((id) => id !== node), {
      links: this.links,
      clock,
    });
    const { store, calls } = this;
    const timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS;
    const leader = () => store.leader();
    const { leases } = this.leader;
    this.renewals = new GroupRenewals({ node, timeoutMs }, { calls, leader, leases });
    this.nodes = new NodeLinks(
      { cluster, node, software: `atlasnet ${version}` },
      {
        ...{ store, clock, logger },
        renewals: this.renewals,
        members: () => linkedMembers(this.runner.status.members, book),
      },
    );
    this.admin = new GroupAdmin(
      { node },
      { runner: this.runner, calls, store, book, clock, logBytes: () => log.figures.segmentBytes },
    );
    this.recorder = new MembersRecorder({ runner: this.runner, store, book, clock, logger });
    this.removal = new RemovalWatch(
      { node },
      { runner: this.runner, calls, book, clock, onRemoved: () => events.onRemoved?.() },
    );
    this.life = new LifeCheck(
      { node, incarnation: log.identity.incarnation, life: log.life },
      { store, clock, random, onOldCopy: () => events.onOldCopy?.() },
    );
  }

  /** Takes links, loads what the log has, and takes part. @throws what stands in the way */
  async start(): Promise<void> {
    this.listener = await this.network.listen((link) =>
      link.peer.role === "apiserver" ? this.links.accept(link) : this.nodes.accept(link),
    );
    await this.raft.start();
    this.leader.start();
    this.contact.start();
    this.followed = this.book.follow(this.store, this.clock);
    this.recorder.start();
    this.removal.start();
    this.life.start();
  }

  /** Takes no part any more; whoever waits is answered. Nothing of the log is in use once it resolves. */
  async stop(): Promise<void> {
    this.nodes.stop();
    this.contact.stop();
    this.removal.stop();
    this.life.stop();
    this.recorder.stop();
    this.followed?.close();
    this.leader.stop();
    this.store.stop();
    const stopped = this.raft.stop();
    this.calls.stop();
    this.links.stop();
    await this.listener?.close();
    await stopped;
  }
}
