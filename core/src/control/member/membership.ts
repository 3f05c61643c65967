import type { Logger } from "../../logging/logger.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { NodeLoad, NodeRegistration } from "../control-plane.ts";
import {
  type Change,
  type ControlStore,
  generationOf,
  type Revision,
  type Watch,
} from "../control-store.ts";
import type { Lease } from "../lease.ts";
import { Pauses } from "../pauses.ts";
import { decodeRecord } from "../record-codec.ts";
import { nodeKey } from "../record-keys.ts";
import type { NodeRecord } from "../records.ts";
import {
  type AsleepSlice,
  boundedMigrations,
  boundedProblems,
  type MigrationProgress,
  type RenewalAnswer,
  type RenewalRequest,
  type ShardProblem,
} from "../remote/renewal.ts";
import { readOwnRecord } from "./own-key.ts";
import { isRetryable } from "./retryable.ts";

/** Renews a lease, once. Rejects when nobody answered. */
export interface RenewalPort {
  renew(request: RenewalRequest, timeoutMs: number): Promise<RenewalAnswer>;
  /** Calls whenever there is a leader that has not renewed this lease yet; absent: there is never another one. */
  onLeader?(handler: () => void): void;
}

export interface MembershipOptions {
  readonly node: string;
  readonly leaseMs: number;
  readonly registration: NodeRegistration;
}

export interface MembershipDependencies {
  readonly store: ControlStore;
  readonly renewals: RenewalPort;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  load(): NodeLoad;
  /** Of shards that could not be opened here, any number. */
  problems(): Iterable<ShardProblem>;
  /** That this node takes part in, any number. */
  migrations(): Iterable<MigrationProgress>;
  /** The next part of those that sleep here: see ControlPlane. */
  asleep(): AsleepSlice | undefined;
  /** A renewal was granted. */
  granted(): void;
  /** Once: the control plane gave away what this registration has, for a reason for people. */
  lost(why: string): void;
}

/** Renewals in each length of a lease, while they are answered. */
const RENEWALS_PER_LEASE = 4;
/** After one that was not answered or refused the next one comes sooner: so many in the length of a lease. */
const RETRIES_PER_LEASE = 16;
/**
 * Another leader knows of no lease before it has renewed it, and a node without one gets nothing. All nodes hear of it
 * at once, so they come within this time by chance; after refusals the pause grows from the shorter one to the usual.
 */
const NEW_LEADER_MS = 100;
const MIN_RETRY_MS = 50;
/** Renewals that news may bring about, besides the usual ones. */
export const MAX_HURRIED_PER_SECOND = 4;
/** Renewals that wait for their answers. */
const MAX_PENDING = 4;
/**
 * Refusals one after another, with a record that says that all is well, after which the node registers anew:
 * about the length of a lease.
 */
const MAX_REFUSALS = 16;

const MIN_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2000;

/**
 * One registration, from the moment it is in the store: renews its lease, and notices when the control plane
 * holds the node for lost, by whatever it hears first: the watch of its own record, or a refused renewal.
 * A refusal alone proves nothing: a new leader may not have seen this boot yet. So it looks.
 */
export class Membership {
  private readonly options: MembershipOptions;
  private readonly deps: MembershipDependencies;
  private readonly ending = new AbortController();
  private watch: Watch | undefined;
  private timer: Timer | undefined;
  private dueAt = Number.POSITIVE_INFINITY;
  /** Besides the usual ones. */
  private extra: Timer | undefined;
  private retryMs: number;
  /** Waits for the answers of renewals that are on their way. */
  private news = false;
  private sentAt = Number.NEGATIVE_INFINITY;
  private pending = 0;
  private refusals = 0;
  private looking = false;
  private readonly watchPauses: Pauses;

  constructor(options: MembershipOptions, dependencies: MembershipDependencies) {
    this.options = options;
    this.deps = dependencies;
    this.retryMs = this.usualRetryMs;
    this.watchPauses = this.pauses();
  }

  start(): void {
    this.follow(this.options.registration.revision);
    this.renewIn(0);
  }

  get signal(): AbortSignal {
    return this.ending.signal;
  }

  /** The lease is sealed: the sooner it is renewed the better. */
  renewNow(): void {
    this.renewIn(0);
  }

  /** There is another leader. The usual renewals stay where they are, or those of all nodes would come together. */
  ledAnew(): void {
    if (this.signal.aborted) return;
    const { clock, random } = this.deps;
    this.retryMs = Math.min(MIN_RETRY_MS, this.usualRetryMs);
    this.extra?.cancel();
    this.extra = clock.setTimer(random.float() * NEW_LEADER_MS, () => {
      if (this.pending < MAX_PENDING) void this.renew();
    });
  }

  /**
   * There is news: see ControlPlane. Behind a renewal that waits for its answer, none is sent for news: those that
   * the lease depends on have their place.
   */
  hurry(): void {
    this.news = this.pending > 0;
    if (this.news) return;
    const since = this.deps.clock.now() - this.sentAt;
    this.renewIn(Math.max(0, 1000 / MAX_HURRIED_PER_SECOND - since));
  }

  /** Renews no more, watches no more. Idempotent. */
  end(): void {
    this.ending.abort();
    this.watch?.close();
    this.timer?.cancel();
    this.extra?.cancel();
  }

  private get usualRetryMs(): number {
    return this.options.leaseMs / RETRIES_PER_LEASE;
  }

  private renewIn(ms: number): void {
    if (this.signal.aborted) return;
    const { clock } = this.deps;
    const at = clock.now() + ms;
    if (at >= this.dueAt) return;
    this.timer?.cancel();
    this.dueAt = at;
    this.timer = clock.setTimer(ms, () => {
      this.dueAt = Number.POSITIVE_INFINITY;
      this.renewIn(this.options.leaseMs / RENEWALS_PER_LEASE);
      if (this.pending < MAX_PENDING) void this.renew();
    });
  }

  /** Never rejects but for a fault of ours. */
  private async renew(): Promise<void> {
    const { lease, renewals, load, granted } = this.deps;
    const problems = boundedProblems(this.deps.problems());
    const migrations = boundedMigrations(this.deps.migrations());
    const asleep = this.deps.asleep();
    const { leaseMs, registration } = this.options;
    const number = lease.renewing();
    this.sentAt = this.deps.clock.now();
    this.pending += 1;
    const answer = await renewals
      .renew(
        {
          ...{ boot: registration.boot, number, load: load() },
          ...(problems.length === 0 ? {} : { problems }),
          ...(migrations.length === 0 ? {} : { migrations }),
          ...(asleep === undefined ? {} : { asleep }),
        },
        leaseMs,
      )
      .catch((error: unknown) => this.unanswered(error));
    this.pending -= 1;
    if (this.signal.aborted) return;
    if (this.news) this.hurry();
    if (answer?.ok === true) {
      this.refusals = 0;
      this.retryMs = this.usualRetryMs;
      lease.granted(number, Math.min(answer.leaseMs, leaseMs));
      granted();
      return;
    }
    this.renewIn(this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, this.usualRetryMs);
    if (answer !== undefined && answer.code !== "not-leader") this.refused(answer.code);
  }

  private unanswered(error: unknown): undefined {
    this.deps.logger.debug("A renewal of the lease was not answered.", { error });
    return undefined;
  }

  private refused(code: string): void {
    this.refusals += 1;
    if (this.refusals >= MAX_REFUSALS)
      this.lose(`the leader refuses to renew the lease (${code}), though the node is registered`);
    else if (!this.looking) {
      this.looking = true;
      void this.look().finally(() => {
        this.looking = false;
      });
    }
  }

  private follow(after: Revision): void {
    if (this.signal.aborted) return;
    this.watch?.close();
    this.watch = this.deps.store.watch(
      { key: nodeKey(this.options.node), after },
      {
        changed: ({ revision, changes }) => this.changed(revision, changes),
        compacted: () => void this.lookAndFollow(),
        failed: () => void this.lookAndFollow(),
      },
    );
  }

  private changed(revision: Revision, changes: readonly Change[]): void {
    this.watchPauses.reset();
    for (const change of changes) {
      if (change.type === "delete") this.lose("the record of this node was removed");
      else {
        const decoded = decodeRecord("node", change.item.value);
        this.judge(decoded.ok ? decoded.record : undefined, revision);
      }
    }
    this.judgeGeneration(generationOf(revision));
  }

  /** The watch has ended: it begins again from what is read. */
  private async lookAndFollow(): Promise<void> {
    // A watch that ends at once shall not be asked for without a pause.
    await this.watchPauses.wait();
    const revision = await this.look();
    if (revision !== undefined) this.follow(revision);
  }

  /** Reads the node's record, however long that takes; undefined when nobody needs it any more. */
  private async look(): Promise<Revision | undefined> {
    const pauses = this.pauses();
    while (!this.signal.aborted) {
      const revision = await this.lookOnce();
      if (revision !== undefined) return revision;
      await pauses.wait();
    }
    return undefined;
  }

  private pauses(): Pauses {
    const times = { minMs: MIN_PAUSE_MS, maxMs: MAX_PAUSE_MS };
    return new Pauses(times, { ...this.deps, signal: this.signal });
  }

  private async lookOnce(): Promise<Revision | undefined> {
    const { store, logger } = this.deps;
    try {
      const { before, revision } = await readOwnRecord(store, this.options.node);
      this.judge(before.record, revision);
      this.judgeGeneration(generationOf(revision));
      return revision;
    } catch (error) {
      const told = { error };
      if (isRetryable(error)) logger.debug("The node's own record cannot be read yet.", told);
      else logger.error("The node's own record cannot be read; it is tried again.", told);
      return undefined;
    }
  }

  private judge(record: NodeRecord | undefined, revision: Revision): void {
    const { boot } = this.options.registration;
    if (record === undefined) this.lose(`there is no record of this node at revision ${revision}`);
    else if (record.boot !== boot) this.lose(`another process is registered, at ${record.address}`);
    else if (record.state === "lost") this.lose("its lease ran out");
  }

  private judgeGeneration(generation: number): void {
    const { registration } = this.options;
    if (generation !== registration.generation)
      this.lose(`the control state was restored from a backup (generation ${generation})`);
  }

  private lose(why: string): void {
    if (this.signal.aborted) return;
    this.end();
    this.deps.lost(why);
  }
}
