import { OperatingError } from "../../errors.ts";
import type { Logger } from "../../logging/logger.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type {
  ControlPlane,
  ControlPlaneEvents,
  NodeLoad,
  NodeRegistration,
} from "../control-plane.ts";
import type { ControlStore } from "../control-store.ts";
import { DEFAULT_LEASE_OPTIONS, Lease, type LeaseOptions, type Sealed } from "../lease.ts";
import type { NodeState } from "../records.ts";
import type { AsleepSlice, MigrationProgress, ShardProblem } from "../remote/renewal.ts";
import type { Boots } from "./boots.ts";
import { changeState, gone } from "./change-state.ts";
import { Membership, type RenewalPort } from "./membership.ts";
import { Notices } from "./notices.ts";
import { type NodeDescription, register } from "./register.ts";

export interface NodeSessionOptions {
  readonly node: string;
  /** How long the node may act after a renewal was sent. */
  readonly leaseMs: number;
  readonly lease?: LeaseOptions;
}

export interface NodeSessionDependencies {
  readonly store: ControlStore;
  readonly renewals: RenewalPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Boots that are gone for certain. */
  readonly boots: Boots;
  /** What is registered; asked for each try. */
  describe(): Promise<NodeDescription>;
  /** The process must not go on: what it runs may not be closed. */
  fatal(error: Error): void;
}

/** The lease is looked at so often in its length, and at the interval below at the latest. */
const CHECKS_PER_LEASE = 20;
const MAX_CHECK_MS = 100;

/**
 * A node in the control plane: one registration after another, its lease, its state. Everything but the links.
 *
 * 1. `mayAct` is true only under a lease that the leader granted to the registration that there is.
 * 2. When a registration is lost, the role closes everything (`events.lost`) before another one is begun.
 * 3. While nobody answers it goes on trying; it ends by `stop`, after the state `stopped`, or `fatal`.
 */
export class NodeSession implements ControlPlane {
  readonly node: string;
  private readonly options: NodeSessionOptions;
  private readonly deps: NodeSessionDependencies;
  private readonly lease: Lease;
  private readonly notices: Notices;
  private readonly stopping = new AbortController();
  private events: ControlPlaneEvents | undefined;
  private load: () => NodeLoad = () => NO_LOAD;
  private problems: () => Iterable<ShardProblem> = () => [];
  private migrations: () => Iterable<MigrationProgress> = () => [];
  private asleep: () => AsleepSlice | undefined = () => undefined;
  private membership: Membership | undefined;
  private current: NodeRegistration | undefined;
  private checks: Timer | undefined;
  /** What was told last. */
  private acting = false;
  private left = false;
  private reason: string | undefined;

  constructor(options: NodeSessionOptions, dependencies: NodeSessionDependencies) {
    this.node = options.node;
    this.options = options;
    this.deps = dependencies;
    this.lease = new Lease(options.lease ?? DEFAULT_LEASE_OPTIONS, {
      clock: dependencies.clock,
      onSealed: (reason) => this.sealed(reason),
    });
    this.notices = new Notices((error) => this.fail(error));
  }

  get store(): ControlStore {
    return this.deps.store;
  }

  get registration(): NodeRegistration | undefined {
    return this.current;
  }

  /** What it waits for before it can register, for people; undefined when it does not. */
  get waitsFor(): string | undefined {
    return this.reason;
  }

  /** Why the node may not act; undefined when it may. */
  get sealedBy(): Sealed | undefined {
    return this.lease.sealed;
  }

  async start(
    events: ControlPlaneEvents,
    load: () => NodeLoad,
    problems: () => Iterable<ShardProblem> = () => [],
    migrations: () => Iterable<MigrationProgress> = () => [],
    asleep: () => AsleepSlice | undefined = () => undefined,
  ): Promise<void> {
    if (this.events !== undefined) throw new Error("a node's session is started once");
    this.events = events;
    this.load = load;
    this.problems = problems;
    this.migrations = migrations;
    this.asleep = asleep;
    this.checkAgain();
    this.deps.renewals.onLeader?.(() => this.membership?.ledAnew());
    const first = await this.register(false);
    if (first === undefined || this.stopping.signal.aborted) throw stopped(this.node);
    this.begin(first);
  }

  mayAct(): boolean {
    return !this.left && !this.stopping.signal.aborted && this.lease.mayAct();
  }

  hurry(): void {
    this.membership?.hurry();
  }

  async setState(state: Exclude<NodeState, "lost" | "starting">): Promise<void> {
    const { membership, current } = this;
    if (membership === undefined || current === undefined) throw gone(this.node);
    const { fingerprint } = await this.deps.describe();
    await changeState(
      { node: this.node, boot: current.boot, state, fingerprint },
      { ...this.deps, signal: membership.signal },
    );
    if (state !== "stopped") return;
    this.left = true;
    membership.end();
    this.checks?.cancel();
  }

  /** Idempotent. Nothing is told from here on. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.notices.close();
    this.membership?.end();
    this.membership = undefined;
    this.current = undefined;
    this.checks?.cancel();
  }

  private register(persistent: boolean): Promise<NodeRegistration | undefined> {
    const { node, leaseMs } = this.options;
    return register(
      { node, leaseMs, persistent },
      {
        ...this.deps,
        describe: () => this.deps.describe(),
        waiting: (reason) => {
          this.reason = reason;
        },
        signal: this.stopping.signal,
      },
    );
  }

  private begin(registration: NodeRegistration): void {
    const { node, leaseMs } = this.options;
    const { boot, generation } = registration;
    this.deps.logger.info("The node is registered.", { member: node, boot, generation });
    this.current = registration;
    this.lease.registered();
    this.tell((events) => events.registered(registration));
    this.membership = new Membership(
      { node, leaseMs, registration },
      {
        ...this.deps,
        lease: this.lease,
        load: () => this.load(),
        problems: () => this.problems(),
        migrations: () => this.migrations(),
        asleep: () => this.asleep(),
        granted: () => this.granted(),
        lost: (why) => void this.lost(why),
      },
    );
    this.membership.start();
  }

  private granted(): void {
    if (this.acting || this.lease.sealed !== undefined) return;
    this.acting = true;
    this.tell((events) => events.unsealed());
  }

  private sealed(reason: Sealed): void {
    if (!this.acting) return;
    this.acting = false;
    this.deps.logger.warn("The node does not act until its lease is renewed.", {
      member: this.node,
      reason,
    });
    this.tell((events) => events.sealed(reason));
    this.membership?.renewNow();
  }

  /** Never rejects. */
  private async lost(why: string): Promise<void> {
    const { logger } = this.deps;
    // Sealed from this very moment on, before anybody is told.
    this.current = undefined;
    this.membership = undefined;
    this.lease.lost();
    logger.warn(
      "The control plane holds this node for lost; it closes what it has, and registers anew.",
      {
        member: this.node,
        why,
      },
    );
    await this.notices.tell(() => this.events?.lost());
    if (this.stopping.signal.aborted || this.notices.isClosed) return;
    try {
      const next = await this.register(true);
      if (next !== undefined && !this.stopping.signal.aborted) this.begin(next);
    } catch (error) {
      this.fail(error);
    }
  }

  private tell(notice: (events: ControlPlaneEvents) => void): void {
    void this.notices.tell(() => {
      if (this.events !== undefined) notice(this.events);
    });
  }

  /** What the role runs may not be closed, so this node must never act again. */
  private fail(error: unknown): void {
    void this.stop();
    this.deps.fatal(error instanceof Error ? error : new Error(String(error)));
  }

  private checkAgain(): void {
    const ms = Math.min(MAX_CHECK_MS, this.options.leaseMs / CHECKS_PER_LEASE);
    this.checks = this.deps.clock.setTimer(ms, () => {
      this.lease.check();
      if (!this.stopping.signal.aborted && !this.left) this.checkAgain();
    });
  }
}

const NO_LOAD: NodeLoad = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };

export function stopped(node: string): OperatingError {
  return new OperatingError("stopped", `${node} was stopped before it was registered`, {
    hint: "Nothing is wrong; start it again.",
  });
}
