import {
  type CheckpointOptions,
  type ConsulAgent,
  ConsulLog,
  type LogFigures,
} from "@atlasnet/consul";
import type { Clock, LeaderInfo, Logger, SecureRandom } from "@atlasnet/core";
import { GroupReplicatedLog } from "../raft/shell/group-log-port.ts";
import {
  DEFAULT_REQUEST_TIMEOUT_MS,
  ReplicatedStore,
  type ReplicatedStoreDependencies,
} from "../store/replicated-store.ts";
import type { Obstacle } from "../store/store-errors.ts";

export interface ConsulStoreOptions {
  readonly node: string;
  /** Name of the cluster. */
  readonly cluster: string;
  /** Where its keys are in Consul. */
  readonly prefix: string;
  readonly timeoutMs?: number;
  readonly checkpoints?: CheckpointOptions;
}

export interface ConsulStoreDependencies
  extends Pick<ReplicatedStoreDependencies, "holdsLease" | "forward"> {
  /** Its creator closes it, after `stop`. */
  readonly agent: ConsulAgent;
  readonly clock: Clock;
  readonly random: SecureRandom;
  readonly logger: Logger;
  readonly events: {
    /** The leader is another: the store is to be told. */
    onChange(): void;
    /** This apiserver cannot go on. */
    onFailed(error: unknown): void;
  };
}

/** The control store with Consul's key-value store for its log: who leads is who holds a lock there. */
export class ConsulStore {
  readonly store: ReplicatedStore;
  readonly address: string;
  private readonly log: ConsulLog;

  constructor(options: ConsulStoreOptions, dependencies: ConsulStoreDependencies) {
    const { node, cluster, prefix, checkpoints, timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS } = options;
    const { agent, clock, random, logger, holdsLease, forward, events } = dependencies;
    this.address = agent.address;
    const replicated = new GroupReplicatedLog({ node });
    this.store = new ReplicatedStore(
      { timeoutMs },
      {
        ...{ log: replicated, clock, random, holdsLease, ...(forward && { forward }) },
        obstacle: () => this.obstacle(),
      },
    );
    this.log = new ConsulLog(
      { node, cluster, prefix, ...(checkpoints && { checkpoints }) },
      { ...{ agent, clock, random, logger, events }, machine: replicated },
    );
    replicated.join({ runner: this.log, client: this.log }, () => this.store.freeze());
  }

  get leader(): LeaderInfo | undefined {
    return this.log.leader;
  }

  get figures(): LogFigures {
    return this.log.figures;
  }

  /** Why nothing can be written, or read for certain; undefined: nothing is known that stands in the way. */
  obstacle(): Obstacle | undefined {
    const { reachable, problem } = this.log.figures;
    if (!reachable)
      return {
        problem: `Consul cannot be used (${problem ?? "it has not answered yet"})`,
        hint: `See whether an agent answers at ${this.address} (\`consul members -http-addr=${this.address}\`) and its servers have a leader (\`consul operator raft list-peers\`). Local reads and watches go on; the rest does by itself.`,
      };
    if (this.log.leader !== undefined) return undefined;
    return {
      problem: "no apiserver leads yet",
      hint: "Consul frees the lock of a leader that died 10 to 20 s later; then another apiserver leads. If it stays so, see whether one runs (`consul kv get -detailed`, key `leader` below apiserver.consulPrefix).",
    };
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
