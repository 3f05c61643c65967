import type { ConsulAgent } from "@atlasnet/consul";
import type { Clock, LinkNetwork, Logger, Random } from "@atlasnet/core";
import type { Health } from "@atlasnet/core/node";
import type { AddressBook } from "../members/address-book.ts";
import type { PlacementSettings } from "../placement/settings.ts";
import { DEFAULT_REQUEST_TIMEOUT_MS } from "../store/replicated-store.ts";
import { ApiserverCore } from "./apiserver-core.ts";
import { ConsulStore } from "./consul-store.ts";
import { CoreMember } from "./core-member.ts";
import { LeaderCommands } from "./leader-commands.ts";
import { Readiness } from "./readiness.ts";
import { ShortLeases } from "./short-leases.ts";

export interface ConsulMemberOptions {
  readonly node: string;
  /** Name of the cluster. */
  readonly cluster: string;
  /** Where its keys are in Consul. */
  readonly prefix: string;
  /** Where the apiservers are: as the settings name them, or as they are found. */
  readonly book: AddressBook;
  readonly placement?: PlacementSettings | undefined;
}

export interface ConsulMemberDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The network stays its creator's. */
  readonly network: LinkNetwork;
  /** Its creator closes it, after `stop`. */
  readonly agent: ConsulAgent;
  readonly events: {
    /** This apiserver cannot go on. */
    onFailed(error: unknown): void;
  };
}

/**
 * An apiserver whose control state is in Consul. It has no log of its own, and there is no group to be a member of:
 * each apiserver with the cluster's certificate that follows the log in Consul may lead.
 */
export class ConsulMember extends CoreMember {
  /** For commands of operators, as a restore has them. */
  readonly client: LeaderCommands;
  private readonly node: string;
  private readonly book: AddressBook;
  protected readonly core: ApiserverCore;
  private readonly kept: ConsulStore;
  private readonly readiness: Readiness;
  private readonly shortLeases: ShortLeases;

  constructor(options: ConsulMemberOptions, dependencies: ConsulMemberDependencies) {
    super();
    const { node, cluster, prefix, book, placement } = options;
    const { clock, random, logger, network, agent, events } = dependencies;
    this.node = node;
    this.book = book;
    this.kept = new ConsulStore(
      { node, cluster, prefix },
      {
        ...{ agent, clock, random, logger },
        holdsLease: (holder) => this.core.holdsLease(holder),
        forward: (leader, request) => this.core.forward(leader, request),
        events: {
          onFailed: events.onFailed,
          onChange: () => {
            this.core.leaderChanged();
            this.readiness.changed();
          },
        },
      },
    );
    const { store } = this.kept;
    this.core = new ApiserverCore(
      { cluster, node, book, placement },
      {
        ...{ clock, random, logger, network, store },
        members: () => ({ voters: this.apiservers, learners: [] }),
      },
    );
    this.readiness = new Readiness({
      clock,
      leader: () => this.kept.leader,
      isNew: () => false,
      barrier: () => this.store.readBarrier(),
    });
    this.shortLeases = new ShortLeases({ store, clock, logger });
    const { calls } = this.core;
    const timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS;
    this.client = new LeaderCommands({ node, timeoutMs }, { store, calls });
  }

  get figures() {
    const { links } = this.core;
    return {
      ...this.kept.figures,
      hasLeader: this.kept.leader !== undefined,
      linked: this.apiservers.filter((id) => links.linked.includes(id)).length,
      dialsFailed: links.counts.dialsFailed,
    };
  }

  /** All that are known by name or linked, this one and whoever leads included; in order. */
  get apiservers(): readonly string[] {
    const leader = this.kept.leader?.node;
    const { contacts } = this.book;
    const known = [this.node, ...(leader === undefined ? [] : [leader]), ...contacts];
    return [...new Set([...known, ...this.core.links.linked])].sort();
  }

  /** It has heard from it, and would hear of its end. */
  reaches(node: string): boolean {
    return node === this.node || this.core.links.linked.includes(node);
  }

  /** For `/ready`. */
  check(): Health {
    const obstacle = this.kept.obstacle();
    if (obstacle !== undefined)
      return { ok: false, reason: `${obstacle.problem}. ${obstacle.hint}` };
    const health = this.readiness.check();
    const { warning } = this.shortLeases;
    return health.ok && warning !== undefined ? { ok: true, warning } : health;
  }

  /** Takes links, and takes part. It does not wait for Consul. @throws what stands in the way */
  async start(): Promise<void> {
    await this.core.listen();
    this.kept.start();
    this.core.start();
    this.shortLeases.start();
  }

  /** Leads no more, so that another apiserver does at once. */
  async handOver(): Promise<void> {
    await this.kept.handOver();
  }

  /** Takes no part any more; whoever waits is answered. */
  async stop(): Promise<void> {
    this.readiness.stop();
    this.shortLeases.stop();
    this.core.stop();
    await this.kept.stop();
    await this.core.close();
  }
}
