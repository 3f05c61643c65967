import type { Clock, Link, MirrorRecord, ReplicaOpen, Revision, ToOwner } from "@atlasnet/core";
import type { ReplicaNews } from "../host/protocol.ts";
import { Alarm } from "../migration/alarm.ts";
import { InTurn } from "../migration/in-turn.ts";
import { closing } from "../migration/outgoing.ts";
import type { ReplicaLane } from "../migration/replica-links.ts";
import type { TicketProblem } from "../migration/ticket.ts";
import { ReplicaSource } from "../replica/source.ts";
import type {
  BegunState,
  ReplicaSourceDependencies,
  SourceEffect as StreamEffect,
  SourceEvent as StreamEvent,
} from "../replica/source-types.ts";
import type { MirroredWorlds, MirrorHome, MirrorView } from "./mirror-home.ts";
import type { MirrorWatch } from "./mirror-watch.ts";
import { MirrorOwner, type OwnerEffect, type OwnerEvent, type OwnerPhase } from "./owner.ts";
import { mirrorTicketProblem } from "./ticket.ts";

export interface MirroredOptions {
  readonly shard: string;
  /** At which it runs here. */
  readonly epoch: Revision;
  readonly boot: string;
  readonly timeoutMs: number;
  readonly bytesPerSecond: number;
  /** It is mirrored from its first tick on. */
  readonly begins?: BegunMirror | undefined;
}

/** The mirror that a switch has recorded, and the state that both have. */
export interface BegunMirror {
  readonly record: Pick<MirrorRecord, "id" | "node" | "boot">;
  readonly state: BegunState;
}

export interface MirroredDependencies {
  readonly home: MirrorHome;
  readonly worlds: MirroredWorlds;
  readonly links: ReplicaLane;
  readonly clock: Clock;
  readonly watch: MirrorWatch;
  readonly stream: ReplicaSourceDependencies;
}

/**
 * A shard that runs here and is mirrored elsewhere, or is to be: drives the core and the replica's stream, and does what
 * they ask for. There for as long as the shard is at its epoch; when it is dropped before, what waits does not leave.
 */
export class Mirrored {
  readonly shard: string;
  readonly epoch: Revision;
  private readonly options: MirroredOptions;
  private readonly dependencies: MirroredDependencies;
  private readonly view: MirrorView;
  private readonly core: MirrorOwner;
  private readonly turn = new InTurn();
  private readonly alarm: Alarm;
  /** The last one, which may be over, and the ticket that it is for. */
  private stream: { readonly id: string; readonly source: ReplicaSource } | undefined;
  private link: Link | undefined;
  private readonly freed: (() => void)[] = [];
  /** The shard is to move to where its mirror is: that one goes first. */
  private isMakingRoom = false;
  /** It is about to be closed, or changed: until `stay`. */
  private isToBeFree = false;
  private isDropped = false;

  constructor(options: MirroredOptions, dependencies: MirroredDependencies) {
    const { shard, epoch } = options;
    const { home, clock, links } = dependencies;
    this.shard = shard;
    this.epoch = epoch;
    this.options = options;
    this.dependencies = dependencies;
    const view = home.mirrorView(shard);
    this.view = view;
    const { begins } = options;
    const mirror = begins && { ...begins.record, tick: begins.state.tick };
    this.core = new MirrorOwner({ ...options, begins: mirror }, () => view, clock.now());
    this.alarm = new Alarm(clock, () => this.time());
    links.serve(shard);
    if (begins === undefined) return;
    this.begin(begins.record.id, begins.state);
    this.setAlarm();
  }

  get phase(): OwnerPhase {
    return this.core.phase;
  }

  get isUnleased(): boolean {
    return this.core.isUnleased;
  }

  get lagTicks(): number {
    return this.core.lagTicks;
  }

  look(): void {
    this.tell({ type: "look" });
    const { migration, mirror, owner } = this.view;
    // The view has yet to show the switch by which it came here.
    if (owner.modified < this.epoch) return;
    const to = migration.record?.to;
    if (to === undefined && this.isMakingRoom) {
      this.isMakingRoom = false;
      this.stayIfWanted();
    } else if (to !== undefined && to === mirror.record?.node && !this.isMakingRoom) {
      this.isMakingRoom = true;
      this.tell({ type: "free", reason: "the shard is to move there" });
    }
  }

  message(link: Link, message: ToOwner): void {
    if (message.type === "replica-open") return this.turn.run(() => this.admit(link, message));
    if (link === this.link) this.toStream({ type: "message", message });
  }

  linkGone(link: Link): void {
    if (this.link !== link) return;
    this.link = undefined;
    this.toStream({ type: "link-lost" });
  }

  news(news: ReplicaNews): void {
    switch (news.type) {
      case "copy-begun":
      case "copy-piece":
        return this.toStream({ type: "thread", message: news });
      case "delta":
        this.tell({ type: "ticked", tick: news.tick });
        return this.toStream({ type: "thread", message: news });
      case "failed":
        if (news.during === "copy")
          this.toStream({ type: "copy-failed", copy: news.copy, problem: news.error.message });
    }
  }

  /** Resolves once no mirror has a say in it, and none will until `stay`; or nothing more comes of this. */
  free(reason: string): Promise<void> {
    if (this.isDropped) return Promise.resolve();
    this.isToBeFree = true;
    return new Promise((resolve) => {
      this.freed.push(resolve);
      this.tell({ type: "free", reason });
      if (this.core.phase === "over") this.sayFreed();
    });
  }

  stay(): void {
    this.isToBeFree = false;
    this.stayIfWanted();
  }

  private stayIfWanted(): void {
    if (!this.isMakingRoom && !this.isToBeFree) this.tell({ type: "stay" });
  }

  /** The shard runs here no more, or at another epoch. */
  drop(): void {
    if (this.isDropped) return;
    this.toStream({ type: "end", code: "failed", reason: "it does not run here any more" });
    this.isDropped = true;
    if (this.core.isUnleased) this.dependencies.worlds.actUnleased(this.shard, false);
    this.alarm.set(Number.POSITIVE_INFINITY);
    this.dependencies.links.unserve(this.shard);
    this.sayFreed();
  }

  private admit(link: Link, open: ReplicaOpen): void {
    if (this.isDropped) return;
    const { view, epoch } = this;
    const { id } = open;
    const problem = this.isAhead(open, link.peer.node)
      ? undefined
      : mirrorTicketProblem(open, link.peer.node, view, epoch);
    if (problem !== undefined) return this.refuse(link, id, problem);
    const { stream } = this;
    if (stream !== undefined && !stream.source.over && stream.id !== id) {
      this.handle({ type: "copying" });
      this.toStream({ type: "end", code: "superseded", reason: "another mirror is asked for" });
      return this.turn.run(() => this.admit(link, open));
    }
    this.handle({ type: "opened", id });
    const { phase } = this.core;
    if (phase === "clearing" || phase === "over")
      return this.refuse(link, id, { code: "ended", reason: "this mirror is being given up" });
    if (stream === undefined || stream.source.over) this.begin(id);
    if (this.link !== undefined && this.link !== link)
      this.refuse(this.link, id, {
        code: "superseded",
        reason: "another link serves the same ticket",
      });
    this.link = link;
    this.toStream({ type: "opened", open });
  }

  /** It is the mirror that the switch has recorded, which the view has yet to show. */
  private isAhead({ id, boot, epoch }: ReplicaOpen, peer: string): boolean {
    const { record } = this.options.begins ?? {};
    const isIt = record?.id === id && record.node === peer && record.boot === boot;
    return isIt && epoch === this.epoch && this.view.owner.modified < epoch;
  }

  private begin(id: string, begins?: BegunState): void {
    const { shard, epoch } = this;
    const { bytesPerSecond } = this.options;
    const source = new ReplicaSource(
      { shard, epoch, id, bytesPerSecond, ...(begins && { begins }) },
      this.dependencies.stream,
    );
    this.link = undefined;
    this.stream = { id, source };
  }

  private refuse(link: Link, id: string, { code, reason }: TicketProblem): void {
    const { shard, epoch } = this;
    this.dependencies.links.send(link, shard, closing({ shard, epoch, id }, code, reason));
  }

  private time(): void {
    const { source } = this.stream ?? {};
    if (source !== undefined && this.dependencies.clock.now() >= source.nextAt)
      this.toStream({ type: "time" });
    this.tell({ type: "time" });
  }

  private tell(event: OwnerEvent): void {
    if (this.isDropped) return;
    this.turn.run(() => this.handle(event));
    this.setAlarm();
  }

  /** Within a turn. */
  private handle(event: OwnerEvent): void {
    for (const effect of this.core.handle(event, this.dependencies.clock.now()))
      this.turn.run(() => this.perform(effect));
  }

  private toStream(event: StreamEvent): void {
    if (this.isDropped) return;
    this.turn.run(() => {
      const { source } = this.stream ?? {};
      for (const effect of source?.handle(event, this.dependencies.clock.now()) ?? [])
        this.turn.run(() => this.performStream(effect));
    });
    this.setAlarm();
  }

  private setAlarm(): void {
    if (this.isDropped) return;
    const streamAt = this.stream?.source.nextAt ?? Number.POSITIVE_INFINITY;
    this.alarm.set(Math.min(this.core.nextAt, streamAt));
  }

  private perform(effect: OwnerEffect): void {
    const { worlds, home, watch } = this.dependencies;
    const { shard } = this;
    if (this.isDropped) return;
    switch (effect.type) {
      case "gate":
        return worlds.gateOutput(shard);
      case "release":
        return worlds.releaseOutput(shard, effect.tick);
      case "ungate":
        return worlds.ungateOutput(shard);
      case "unleased":
        return worlds.actUnleased(shard, effect.holds);
      case "txn": {
        const { attempt } = effect;
        home.txn(effect.request).then(
          (answer) => this.tell({ type: "answered", attempt, answer }),
          (error: unknown) => watch.broken(error),
        );
        return;
      }
      case "pulse":
        return this.toStream({ type: "pulse" });
      case "end":
        return this.toStream({ type: "end", code: effect.code, reason: effect.reason });
      case "in-sync":
        return watch.inSync(shard, effect.node);
      case "lost":
        return watch.mirrorLost(shard, effect.node, effect.reason);
      case "freed":
        return this.sayFreed();
    }
  }

  private performStream(effect: StreamEffect): void {
    const { links, worlds } = this.dependencies;
    switch (effect.type) {
      case "thread":
        return worlds.tell(this.shard, effect.message);
      case "send":
        if (this.link !== undefined) links.send(this.link, this.shard, effect.message, effect.bulk);
        return;
      case "copying":
        // Of a new stream nothing was acknowledged.
        return effect.again ? this.tell({ type: "copying" }) : undefined;
      case "acknowledged":
        return this.tell({ type: "acknowledged", tick: effect.tick });
      case "caught-up":
      case "lagging":
        return this.tell({ type: effect.type });
      case "failed":
        return this.tell({ type: "failed", code: effect.code, reason: effect.reason });
      case "copied":
      case "ready":
      // The watch is the truth about who has it.
      case "done":
        return;
    }
  }

  private sayFreed(): void {
    for (const told of this.freed.splice(0)) told();
  }
}
