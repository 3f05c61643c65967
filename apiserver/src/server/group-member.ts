import type { Clock, LinkNetwork, Logger, Random } from "@atlasnet/core";
import type { NodeAddress } from "@atlasnet/core/node";
import { AddressBook } from "../members/address-book.ts";
import { GroupAdmin } from "../members/group-admin.ts";
import { LifeCheck } from "../members/life-check.ts";
import { MembersRecorder } from "../members/members-recorder.ts";
import { RemovalWatch } from "../members/removal-watch.ts";
import type { PlacementSettings } from "../placement/settings.ts";
import type { RaftSettings } from "../raft/core/options.ts";
import type { StoredState } from "../raft/core/types.ts";
import { AtlasRaft } from "../raft/shell/atlas-raft.ts";
import { GroupClient } from "../raft/shell/group-client.ts";
import { GroupReplicatedLog } from "../raft/shell/group-log-port.ts";
import { LinkTransport } from "../raft/shell/link-transport.ts";
import type { PeerLinks } from "../raft/shell/peer-links.ts";
import type { RunnerEvents } from "../raft/shell/ports.ts";
import type { RaftRunner } from "../raft/shell/raft-runner.ts";
import type { RunnerOptions } from "../raft/shell/runner-options.ts";
import { DEFAULT_REQUEST_TIMEOUT_MS, ReplicatedStore } from "../store/replicated-store.ts";
import type { WriteAheadLog } from "../wal/write-ahead-log.ts";
import { ApiserverCore, GROUP } from "./apiserver-core.ts";
import { CoreMember } from "./core-member.ts";

export interface GroupMemberOptions {
  readonly cluster: string;
  readonly node: string;
  /** Other apiservers, by node id, as the settings name them. */
  readonly peers: ReadonlyMap<string, NodeAddress>;
  /** Where apiservers are, which the network looks up in, too; default: one of `peers` alone. */
  readonly book?: AddressBook;
  readonly placement?: PlacementSettings;
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
  /** Raft's timers are the clock's, too, instead of LifeRaft's, which are the machine's: for simulated time. */
  readonly timersOfClock?: boolean;
  readonly events: Pick<RunnerEvents, "onFailed" | "onRetired"> & {
    onChange(): void;
    /** The group has removed this apiserver. */
    onRemoved?(): void;
    /** Its log is an old copy: a later life of it has been here. */
    onOldCopy?(): void;
  };
}

/** This node in the group of the control state: links, Raft, and the control store over it. */
export class GroupMember extends CoreMember {
  readonly runner: RaftRunner;
  readonly client: GroupClient;
  readonly transport: LinkTransport;
  /** Changes of the group by operators. */
  readonly admin: GroupAdmin;
  protected readonly core: ApiserverCore;
  private readonly book: AddressBook;
  private readonly recorder: MembersRecorder;
  private readonly removal: RemovalWatch;
  private readonly life: LifeCheck;
  private followed: { close(): void } | undefined;
  private readonly clock: Clock;
  private readonly raft: AtlasRaft;

  constructor(options: GroupMemberOptions, dependencies: GroupMemberDependencies) {
    super();
    const {
      cluster,
      node,
      core,
      runner,
      peers,
      book = new AddressBook(peers),
      placement,
    } = options;
    const { clock, random, logger, network, log, stored, timersOfClock, events } = dependencies;
    this.clock = clock;
    this.book = book;
    const replicated = new GroupReplicatedLog({ node });
    const store = new ReplicatedStore(
      {},
      {
        ...{ log: replicated, clock, random },
        holdsLease: (holder) => this.core.holdsLease(holder),
        forward: (leader, request) => this.core.forward(leader, request),
      },
    );
    this.core = new ApiserverCore(
      { cluster, node, book, placement },
      {
        ...{ clock, random, logger, network, store },
        members: () => this.runner.status.members,
      },
    );
    const { links, calls } = this.core;
    this.transport = new LinkTransport({ node, group: GROUP }, { links, logger });
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
        timersOfClock,
        events: {
          ...events,
          onChange: () => {
            this.core.leaderChanged();
            events.onChange();
          },
        },
      },
    );
    this.runner = this.raft.runner;
    this.transport.onMessage((message) => this.raft.emit("data", message));
    this.client = new GroupClient(
      { node, timeoutMs: DEFAULT_REQUEST_TIMEOUT_MS },
      { runner: this.runner, calls },
    );
    replicated.join({ runner: this.runner, client: this.client }, () => store.freeze());
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

  get links(): PeerLinks {
    return this.core.links;
  }

  /** Takes links, loads what the log has, and takes part. @throws what stands in the way */
  async start(): Promise<void> {
    await this.core.listen();
    await this.raft.start();
    this.core.start();
    this.followed = this.book.follow(this.store, this.clock);
    this.recorder.start();
    this.removal.start();
    this.life.start();
  }

  /** Takes no part any more; whoever waits is answered. Nothing of the log is in use once it resolves. */
  async stop(): Promise<void> {
    this.removal.stop();
    this.life.stop();
    this.recorder.stop();
    this.followed?.close();
    this.core.stop();
    const stopped = this.raft.stop();
    await this.core.close();
    await stopped;
  }
}
