import {
  type CheckpointOptions,
  type ConsulAgent,
  ConsulLog,
  type LogFigures,
} from "@atlasnet/consul";
import type { Clock, LeaderInfo, Logger, SecureRandom, TxnRequest } from "@atlasnet/core";
import { GroupReplicatedLog } from "../raft/shell/group-log-port.ts";
import {
  DEFAULT_REQUEST_TIMEOUT_MS,
  ReplicatedStore,
  type TakenIn,
} from "../store/replicated-store.ts";

export interface ConsulMemberOptions {
  readonly node: string;
  /** Name of the cluster. */
  readonly cluster: string;
  /** Where its keys are in Consul. */
  readonly prefix: string;
  readonly timeoutMs?: number;
  readonly checkpoints?: CheckpointOptions;
}

export interface ConsulMemberDependencies {
  /** Its creator closes it, after `stop`. */
  readonly agent: ConsulAgent;
  readonly clock: Clock;
  readonly random: SecureRandom;
  readonly logger: Logger;
  /** As for `ReplicatedStore`. */
  readonly holdsLease: (node: string) => boolean;
  readonly forward?: (leader: LeaderInfo, request: TxnRequest) => Promise<TakenIn>;
  readonly events: {
    onChange(): void;
    /** This apiserver cannot go on. */
    onFailed(error: unknown): void;
  };
}

/**
 * An apiserver whose control state is in Consul: the same store as over Raft, with Consul's key-value store for the
 * log. Consul keeps it and says in which order writes count; who leads is who holds a lock there.
 */
export class ConsulMember {
  readonly store: ReplicatedStore;
  private readonly log: ConsulLog;

  constructor(options: ConsulMemberOptions, dependencies: ConsulMemberDependencies) {
    const { node, cluster, prefix, checkpoints, timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS } = options;
    const { agent, clock, random, logger, holdsLease, forward, events } = dependencies;
    const replicated = new GroupReplicatedLog({ node });
    this.store = new ReplicatedStore(
      { timeoutMs },
      { log: replicated, clock, random, holdsLease, ...(forward && { forward }) },
    );
    this.log = new ConsulLog(
      { node, cluster, prefix, ...(checkpoints && { checkpoints }) },
      {
        ...{ agent, clock, random, logger, machine: replicated },
        events: {
          onFailed: (error) => events.onFailed(error),
          onChange: () => {
            replicated.leaderChanged();
            events.onChange();
          },
        },
      },
    );
    replicated.join({ runner: this.log, client: this.log }, () => this.store.freeze());
  }

  get leader(): LeaderInfo | undefined {
    return this.log.leader;
  }

  get figures(): LogFigures {
    return this.log.figures;
  }

  /** Takes part. It does not wait for Consul. */
  start(): void {
    this.log.start();
  }

  /** Leads no more, so that another apiserver does at once. */
  async handOver(): Promise<void> {
    await this.log.handOver();
  }

  /** Takes no part any more; whoever waits is answered. */
  async stop(): Promise<void> {
    this.store.stop();
    await this.log.stop();
  }
}
