import {
  type Claimant,
  type Clock,
  type Link,
  type MirrorRecord,
  OperatingError,
  type ToReplica,
} from "@atlasnet/core";
import type { KeptState, ReplicaNews } from "../host/protocol.ts";
import { Alarm } from "../migration/alarm.ts";
import { Arrival, replicaFailure } from "../migration/arrival.ts";
import { InTurn } from "../migration/in-turn.ts";
import type { ReplicaLane } from "../migration/replica-links.ts";
import { problemOf } from "../problem-of.ts";
import { ReplicaTarget } from "../replica/target.ts";
import type {
  ReplicaTargetDependencies,
  TargetEffect as StreamEffect,
  TargetEvent as StreamEvent,
} from "../replica/target-types.ts";
import type { KeptWorld } from "../server/hosted-world.ts";
import { MirrorFollower } from "./follower.ts";
import type {
  FollowerEffect,
  FollowerEvent,
  FollowerPhase,
  MirrorOutcome,
} from "./follower-types.ts";
import type { MirroredWorlds, MirrorHome, MirrorView } from "./mirror-home.ts";
import type { MirrorWatch } from "./mirror-watch.ts";

export interface MirroringOptions {
  readonly shard: string;
  readonly mirror: MirrorRecord;
  /** The node that is followed. */
  readonly owner: string;
  readonly me: Claimant;
  readonly suspectMs: number;
  /** The shard ran here, and is about to be closed: what it was sealed in is kept for this. */
  readonly comes: boolean;
}

export interface MirroringDependencies {
  readonly home: MirrorHome;
  readonly worlds: MirroredWorlds;
  readonly links: ReplicaLane;
  readonly clock: Clock;
  readonly watch: MirrorWatch;
  readonly stream: ReplicaTargetDependencies;
  /** Whether one more may begin now. */
  mayBegin(): boolean;
  /** It is over. */
  ended(outcome: MirrorOutcome): void;
}

/** A shard that runs elsewhere and is mirrored here: drives the core and the replica's stream, and does what they ask for. */
export class Mirroring {
  readonly shard: string;
  readonly record: MirrorRecord;
  private readonly options: MirroringOptions;
  private readonly dependencies: MirroringDependencies;
  private readonly view: MirrorView;
  private readonly core: MirrorFollower;
  private readonly turn = new InTurn();
  private readonly alarm: Alarm;
  private readonly arrival: Arrival;
  private stream: ReplicaTarget | undefined;
  private link: Link | undefined;
  private needsLink = false;
  /** What ran the shard here has yet to hand it over. */
  private isComing: boolean;
  /** What it has handed over, until that is followed. */
  private begins: KeptState | undefined;
  /** Nothing is acknowledged, nothing taken in. */
  private isSilent = false;
  private isDropped = false;

  constructor(options: MirroringOptions, dependencies: MirroringDependencies) {
    const { shard, mirror } = options;
    const { home, clock, links } = dependencies;
    this.shard = shard;
    this.record = mirror;
    this.options = options;
    this.dependencies = dependencies;
    this.isComing = options.comes;
    const view = home.mirrorView(shard);
    this.view = view;
    this.core = new MirrorFollower(options, () => view, clock.now());
    this.alarm = new Alarm(clock, () => this.time());
    this.arrival = new Arrival(shard, {
      ...dependencies,
      broken: (error) => dependencies.watch.broken(error),
    });
    links.serve(shard);
  }

  get phase(): FollowerPhase {
    return this.core.phase;
  }

  /** The shard is kept free for it here. */
  get hasBegun(): boolean {
    return this.arrival.hasBegun;
  }

  /** It takes in a copy of the world. */
  get isCopying(): boolean {
    return this.arrival.hasBegun && this.stream?.progress.whole !== true;
  }

  /** What it has may be needed, as the watch shows it. */
  get isInSync(): boolean {
    const { record } = this.view.mirror;
    return record?.id === this.record.id && record.state === "in-sync";
  }

  /** The watch has shown something, or another one is over. */
  look(): void {
    this.tell({ type: "look" });
    const { home } = this.dependencies;
    const { migration } = this.view;
    // One in sync stays until its owner has cleared it (see Mirrored): it alone could go on if the owner died now.
    if (migration.record?.to === home.node && !this.isInSync)
      this.giveUp("the shard is to move here");
    const { record } = this.view.mirror;
    if (record?.id === this.record.id && record.leaving === true)
      this.giveUp("the control plane wants it to end");
    this.begin();
  }

  /** It waits for what ran the shard here. */
  get wantsKept(): boolean {
    return this.isComing && !this.isDropped;
  }

  /** What ran the shard here is closed; its replica is there, or nothing is. False: it is not wanted any more. */
  kept(world: KeptWorld | undefined): boolean {
    const record = this.view.world.record;
    if (!this.wantsKept) return false;
    this.isComing = false;
    if (world === undefined || record === undefined) {
      this.tell({ type: "not-kept" });
      return false;
    }
    this.arrival.keep(world.request, record);
    this.begins = world.state;
    this.tell({ type: "begin" });
    return true;
  }

  /** One in sync is withdrawn. */
  giveUp(problem: string): void {
    this.tell({ type: "give-up", problem });
  }

  /** Everything was taken from this node: what is here goes, and nothing is said. */
  drop(): void {
    if (this.isDropped) return;
    this.end("ended");
    this.arrival.leave().catch((error: unknown) => this.dependencies.watch.broken(error));
  }

  linked(link: Link): void {
    if (link.peer.node === this.options.owner) this.join(link);
  }

  linkGone(link: Link): void {
    if (this.link !== link) return;
    this.link = undefined;
    this.toStream({ type: "link-lost" });
    const other = this.dependencies.links.to(this.options.owner);
    if (other !== undefined) return this.join(other);
    link.closed.then(
      ({ code }) => {
        if (code === "peer-gone" && this.link === undefined) this.tell({ type: "owner-gone" });
      },
      (error: unknown) => this.dependencies.watch.broken(error),
    );
  }

  message(link: Link, message: ToReplica): void {
    if (link !== this.link) return;
    if (message.type === "replica-close") {
      // Of a mirror before this one.
      if (message.id !== this.record.id) return;
      this.toStream({ type: "link-lost" });
      return this.tell({ type: "closed" });
    }
    this.tell({ type: "heard" });
    if (!this.isSilent) this.toStream({ type: "message", message });
  }

  news(news: ReplicaNews): void {
    switch (news.type) {
      case "replica-open":
      case "replica-at":
        return this.toStream({ type: "thread", message: news });
      case "failed": {
        const failure = replicaFailure(news);
        if (failure !== undefined) this.toStream(failure);
      }
    }
  }

  /** The thread that had the replica is gone. */
  died(problem: string): void {
    if (this.isComing) this.kept(undefined);
    this.toStream({ type: "replica-failed", code: "failed", problem });
  }

  private begin(): void {
    const { mayBegin } = this.dependencies;
    if (this.isDropped || this.arrival.hasBegun || this.core.phase !== "waiting") return;
    if (this.isComing) return;
    if (!mayBegin() || !this.arrival.begin()) return;
    this.tell({ type: "begin" });
  }

  private async prepare(): Promise<void> {
    // It ran here a moment ago.
    if (this.begins !== undefined) return;
    const world = this.view.world.record;
    if (world === undefined) throw new OperatingError("no-world", "the world was removed");
    await this.arrival.prepare(world);
  }

  private follow(): void {
    const { shard, record } = this;
    const { links, stream } = this.dependencies;
    const { me, owner } = this.options;
    const { id, epoch } = record;
    // When a link is lost for long, the core says what comes of it.
    const about = { shard, epoch, id, boot: me.boot, keeps: false };
    const { begins } = this;
    this.begins = undefined;
    this.stream = new ReplicaTarget(
      { ...about, resumeMs: Number.POSITIVE_INFINITY, ...(begins && { begins }) },
      stream,
    );
    if (begins !== undefined) this.tell({ type: "following" });
    this.isSilent = false;
    if (!this.needsLink) links.need(owner);
    this.needsLink = true;
    this.join(links.to(owner));
  }

  private reopen(): void {
    this.isSilent = false;
    this.join(this.link ?? this.dependencies.links.to(this.options.owner));
  }

  private join(link: Link | undefined): void {
    if (link === undefined || this.stream === undefined || this.isDropped) return;
    this.link = link;
    if (!this.isSilent) this.toStream({ type: "link-up" });
  }

  private time(): void {
    const { clock } = this.dependencies;
    if (this.stream !== undefined && clock.now() >= this.stream.nextAt)
      this.toStream({ type: "time" });
    this.tell({ type: "time" });
  }

  private tell(event: FollowerEvent): void {
    if (this.isDropped) return;
    this.turn.run(() => {
      for (const effect of this.core.handle(event, this.dependencies.clock.now()))
        this.turn.run(() => this.perform(effect));
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
    this.alarm.set(Math.min(this.core.nextAt, streamAt));
  }

  private perform(effect: FollowerEffect): void {
    const { home, watch } = this.dependencies;
    const { shard } = this;
    switch (effect.type) {
      case "prepare":
        this.prepare().then(
          () => this.tell({ type: "prepared" }),
          (error: unknown) => {
            const problem = problemOf(error);
            watch.notFollowed(shard, problem);
            this.tell({ type: "prepared", problem });
          },
        );
        return;
      case "follow":
        return this.follow();
      case "silence":
        this.isSilent = true;
        return;
      case "reopen":
        return this.reopen();
      case "txn": {
        const { attempt } = effect;
        home.txn(effect.request).then(
          (answer) => this.tell({ type: "answered", attempt, answer }),
          (error: unknown) => watch.broken(error),
        );
        return;
      }
      case "promote":
        this.promote(effect.epoch).then(
          (problem) => this.tell({ type: "promoted", ...(problem !== undefined && { problem }) }),
          (error: unknown) => watch.broken(error),
        );
        return;
      case "drop":
        this.toStream({ type: "end", code: effect.code, reason: effect.reason });
        this.turn.run(() => this.arrival.leave().catch((error: unknown) => watch.broken(error)));
        return;
      case "withdraws":
        return watch.withdraws(shard, this.options.owner, effect.reason);
      case "suspected":
        return watch.suspected(shard, this.options.owner, effect.reason);
      case "over":
        watch.over(shard, this.options.owner, effect);
        return this.turn.run(() => this.end(effect.outcome));
    }
  }

  private performStream(effect: StreamEffect): void {
    const { links, watch } = this.dependencies;
    const { shard, record } = this;
    switch (effect.type) {
      case "replica": {
        const { epoch, world } = record;
        return this.arrival.follow(effect, { epoch, world, otherModule: false });
      }
      case "thread":
        return this.arrival.tellThread(effect);
      case "send": {
        const isSaid = !this.isSilent || effect.message.type !== "replica-ack";
        if (this.link !== undefined && isSaid) links.send(this.link, shard, effect.message);
        return;
      }
      case "copying":
        return this.tell({ type: "copying" });
      case "caught-up":
        return this.tell({ type: "following" });
      case "failed":
        watch.notFollowed(shard, `${effect.reason} (${effect.code})`);
        return this.tell({ type: "failed", code: effect.code, reason: effect.reason });
      case "ready":
      case "sealed":
        return;
    }
  }

  /** The promotion has committed. Undefined: it runs; otherwise why it does not. */
  private async promote(epoch: number): Promise<string | undefined> {
    const { world, epoch: promotedOver } = this.record;
    const problem = await this.arrival.promote(
      { epoch, of: { world, promotedOver }, dueMs: 0 },
      { isThere: this.stream?.over === false, isDropped: () => this.isDropped },
    );
    if (problem === undefined) this.toStream({ type: "done", owner: epoch });
    return problem;
  }

  private end(outcome: MirrorOutcome): void {
    if (this.isDropped) return;
    this.isDropped = true;
    this.alarm.set(Number.POSITIVE_INFINITY);
    const { links, ended } = this.dependencies;
    links.unserve(this.shard);
    if (this.needsLink) links.release(this.options.owner);
    ended(outcome);
  }
}
