import {
  type Claimant,
  type Clock,
  type Link,
  type MigrationPhase,
  type MigrationProgress,
  type MigrationRecord,
  OperatingError,
  type ReplicaCloseCode,
  type Seen,
  type ToReplica,
  worldAfterMove,
} from "@atlasnet/core";
import type { ReplicaNews } from "../host/protocol.ts";
import { problemOf } from "../problem-of.ts";
import { ReplicaTarget } from "../replica/target.ts";
import type {
  ReplicaTargetDependencies,
  TargetEffect as StreamEffect,
  TargetEvent as StreamEvent,
} from "../replica/target-types.ts";
import { Alarm } from "./alarm.ts";
import { Arrival, replicaFailure } from "./arrival.ts";
import { InTurn } from "./in-turn.ts";
import type { MigrationHome, MovingWorlds } from "./migration-home.ts";
import type { MigrationWatch } from "./migration-watch.ts";
import type { ReplicaLane } from "./replica-links.ts";
import {
  MigrationTarget,
  type TargetEffect,
  type TargetEvent,
  type TargetPhase,
} from "./target.ts";

/** A source whose watch has yet to show the record is asked again after this long, in ms … */
const TICKET_PAUSE_MS = 200;
/** … so often. */
const MAX_TICKET_TRIES = 25;
/** This node's wall clock may differ by so much from that of the apiserver which took the request. */
const MAX_CLOCK_SKEW_MS = 60_000;

export interface IncomingOptions {
  readonly shard: string;
  readonly migration: Seen<MigrationRecord>;
  readonly me: Claimant;
}

export interface IncomingDependencies {
  readonly home: MigrationHome;
  readonly worlds: MovingWorlds;
  readonly links: ReplicaLane;
  readonly clock: Clock;
  readonly watch: MigrationWatch;
  readonly stream: ReplicaTargetDependencies;
  /** Whether one more may begin now. */
  mayBegin(): boolean;
  /** It is over. */
  ended(): void;
}

/** As whom it concerns is told of them. */
const SHOWN_PHASES: { readonly [phase in TargetPhase]: MigrationPhase } = {
  waiting: "preparing",
  preparing: "preparing",
  copying: "copying",
  following: "following",
  switching: "switching",
  promoting: "switching",
  aborting: "copying",
  over: "switching",
};

/** A migration to this node: drives the core and the replica's stream, and does what they ask for. */
export class Incoming {
  readonly shard: string;
  readonly record: MigrationRecord;
  private readonly options: IncomingOptions;
  private readonly dependencies: IncomingDependencies;
  private readonly core: MigrationTarget;
  private readonly turn = new InTurn();
  private readonly alarm: Alarm;
  private readonly arrival: Arrival;
  private stream: ReplicaTarget | undefined;
  private link: Link | undefined;
  private ticketTries = 0;
  private askAgainAt = Number.POSITIVE_INFINITY;
  private isDropped = false;

  constructor(options: IncomingOptions, dependencies: IncomingDependencies) {
    const { shard, migration, me } = options;
    const { home, clock, links, watch } = dependencies;
    this.shard = shard;
    this.options = options;
    this.dependencies = dependencies;
    this.core = new MigrationTarget(
      { shard, me, migration },
      { view: () => home.view(shard), wallTime: () => clock.wallTime() },
      clock.now(),
    );
    this.record = this.core.record;
    this.alarm = new Alarm(clock, () => this.time());
    this.arrival = new Arrival(shard, {
      ...dependencies,
      broken: (error) => dependencies.watch.broken(error),
    });
    links.serve(shard);
    watch.begun(shard, this.record, "target");
    this.setAlarm();
  }

  /** It has begun, and is not over. */
  get isUnderWay(): boolean {
    return this.arrival.hasBegun;
  }

  get progress(): MigrationProgress {
    const { bytes = 0, totalBytes = 0, lagTicks = 0, whole = false } = this.stream?.progress ?? {};
    return {
      ...{ shard: this.shard, id: this.record.id, bytes, totalBytes },
      phase: SHOWN_PHASES[this.core.phase],
      lagTicks: whole ? lagTicks : 0,
    };
  }

  /** The watch has shown something, or another migration is over. */
  look(): void {
    this.tell({ type: "look" });
    this.begin();
  }

  giveUp(problem: string): void {
    this.tell({ type: "give-up", problem });
  }

  /** Everything was taken from this node: what is here goes, and nothing is said. */
  drop(): void {
    if (this.isDropped) return;
    this.end();
    this.arrival.leave().catch((error: unknown) => this.dependencies.watch.broken(error));
  }

  linked(link: Link): void {
    if (link.peer.node === this.record.from) this.join(link);
  }

  linkGone(link: Link): void {
    if (this.link !== link) return;
    this.link = undefined;
    this.toStream({ type: "link-lost" });
    const other = this.dependencies.links.to(this.record.from);
    if (other !== undefined) this.join(other);
  }

  message(link: Link, message: ToReplica): void {
    if (link === this.link) this.toStream({ type: "message", message });
  }

  news(news: ReplicaNews): void {
    switch (news.type) {
      case "replica-open":
      case "replica-at":
      case "replica-kept":
        return this.toStream({ type: "thread", message: news });
      case "failed": {
        const failure = replicaFailure(news);
        if (failure !== undefined) this.toStream(failure);
      }
    }
  }

  /** The thread that had the replica is gone. */
  died(problem: string): void {
    this.toStream({ type: "replica-failed", code: "failed", problem });
    // Behind the seal the stream is over already.
    this.tell({ type: "failed", code: "failed", reason: problem });
  }

  private begin(): void {
    const { mayBegin } = this.dependencies;
    if (this.isDropped || this.core.phase !== "waiting") return;
    if (!mayBegin() || !this.arrival.begin()) return;
    this.tell({ type: "begin" });
  }

  private async prepare(): Promise<void> {
    const { home } = this.dependencies;
    const { shard, record } = this;
    const before = home.view(shard).world.record;
    if (before === undefined) throw new OperatingError("no-world", "the world was removed");
    this.checkClock();
    await this.arrival.prepare(worldAfterMove(before, record));
  }

  /** Tickets and certificates are judged by the wall clock: players would be refused here. */
  private checkClock(): void {
    const { started, deadlineMs } = this.record;
    const age = this.dependencies.clock.wallTime() - started;
    if (age >= -MAX_CLOCK_SKEW_MS && age <= deadlineMs + MAX_CLOCK_SKEW_MS) return;
    const seconds = Math.round(Math.abs(age) / 1000);
    throw new OperatingError(
      "wrong-clock",
      `the clock of ${this.record.to} is ${seconds} s ${age < 0 ? "behind" : "ahead of"} the control plane's`,
      { hint: "Set the clocks of all machines by NTP, then move the world again." },
    );
  }

  private follow(): void {
    const { shard, record } = this;
    const { links, stream } = this.dependencies;
    const { boot } = this.options.me;
    const { id, epoch } = record;
    this.stream = new ReplicaTarget({ shard, epoch, id, boot, keeps: true }, stream);
    const link = links.to(record.from);
    links.need(record.from);
    if (link !== undefined) this.join(link);
  }

  private join(link: Link): void {
    if (this.stream === undefined || this.isDropped) return;
    if (this.askAgainAt !== Number.POSITIVE_INFINITY) return;
    this.link = link;
    this.toStream({ type: "link-up" });
  }

  private time(): void {
    const now = this.dependencies.clock.now();
    if (now >= this.askAgainAt) this.askAgain();
    if (this.stream !== undefined && now >= this.stream.nextAt) this.toStream({ type: "time" });
    this.tell({ type: "time" });
    this.begin();
  }

  private askAgain(): void {
    this.askAgainAt = Number.POSITIVE_INFINITY;
    this.dependencies.links.release(this.record.from);
    this.follow();
  }

  private tell(event: TargetEvent): void {
    if (this.isDropped) return;
    this.turn.run(() => {
      const before = this.core.phase;
      for (const effect of this.core.handle(event, this.dependencies.clock.now()))
        this.turn.run(() => this.perform(effect));
      if (this.core.phase !== before) {
        this.dependencies.watch.phase(this.record, "target", this.core.phase);
        this.dependencies.home.hurry();
      }
    });
    this.setAlarm();
  }

  private toStream(event: StreamEvent): void {
    if (this.isDropped) return;
    this.turn.run(() => {
      const { stream } = this;
      for (const effect of stream?.handle(event, this.dependencies.clock.now()) ?? [])
        this.turn.run(() => this.performStream(effect));
    });
    this.setAlarm();
  }

  private setAlarm(): void {
    if (this.isDropped) return;
    const streamAt = this.stream?.nextAt ?? Number.POSITIVE_INFINITY;
    this.alarm.set(Math.min(this.core.nextAt, streamAt, this.askAgainAt));
  }

  private perform(effect: TargetEffect): void {
    const { home, watch } = this.dependencies;
    switch (effect.type) {
      case "prepare":
        this.prepare().then(
          () => this.tell({ type: "prepared" }),
          (error: unknown) => this.tell({ type: "prepared", problem: problemOf(error) }),
        );
        return;
      case "follow":
        return this.follow();
      case "txn": {
        const { attempt } = effect;
        home.txn(effect.request).then(
          (answer) => this.tell({ type: "answered", attempt, answer }),
          (error: unknown) => watch.broken(error),
        );
        return;
      }
      case "promote":
        this.promote(effect.epoch, effect.dueMs).then(
          (problem) => this.tell({ type: "promoted", ...(problem !== undefined && { problem }) }),
          (error: unknown) => watch.broken(error),
        );
        return;
      case "drop":
        this.toStream({ type: "end", code: effect.code, reason: effect.reason });
        this.turn.run(() => this.arrival.leave().catch((error: unknown) => watch.broken(error)));
        return;
      case "over": {
        const bytes = this.stream?.progress.bytes ?? 0;
        watch.ended(this.shard, this.record, "target", { ...effect, bytes });
        if (effect.gapMs !== undefined)
          home.measured(this.shard, { gapMs: Math.round(effect.gapMs), bytes });
        return this.end();
      }
    }
  }

  private performStream(effect: StreamEffect): void {
    const { links } = this.dependencies;
    const { shard, record } = this;
    switch (effect.type) {
      case "replica":
        return this.arrival.follow(effect, {
          epoch: record.epoch,
          world: record.world,
          otherModule: record.module !== undefined,
        });
      case "thread":
        return this.arrival.tellThread(effect);
      case "send":
        if (this.link !== undefined) links.send(this.link, shard, effect.message);
        return;
      case "copying":
        return this.tell({ type: "copying" });
      case "caught-up":
        return this.tell({ type: "following" });
      case "ready":
        return;
      case "sealed": {
        const dueMs = Math.max(0, effect.dueAt - this.dependencies.clock.now());
        return this.tell({ type: "sealed", tick: effect.tick, dueMs });
      }
      case "failed":
        return this.streamFailed(effect.code, effect.reason);
    }
  }

  private streamFailed(code: ReplicaCloseCode, reason: string): void {
    const { clock } = this.dependencies;
    this.link = undefined;
    if (code !== "unknown-ticket" || this.ticketTries >= MAX_TICKET_TRIES)
      return this.tell({ type: "failed", code, reason });
    this.ticketTries += 1;
    this.askAgainAt = clock.now() + TICKET_PAUSE_MS;
    this.setAlarm();
  }

  /** The switch has committed. Undefined: it runs; otherwise why it does not. */
  private async promote(epoch: number, dueMs: number): Promise<string | undefined> {
    const { record } = this;
    const problem = await this.arrival.promote(
      { epoch, of: { world: record.world }, dueMs, recorded: record.module && epoch },
      { isThere: this.stream?.over === false, isDropped: () => this.isDropped },
    );
    if (problem === undefined) this.toStream({ type: "done", owner: epoch });
    return problem;
  }

  private end(): void {
    if (this.isDropped) return;
    this.isDropped = true;
    this.alarm.set(Number.POSITIVE_INFINITY);
    const { links, ended } = this.dependencies;
    links.unserve(this.shard);
    if (this.stream !== undefined) links.release(this.record.from);
    ended();
  }
}
