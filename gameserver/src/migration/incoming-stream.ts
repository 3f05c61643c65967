import type { Clock, Link, MigrationRecord, ReplicaCloseCode, ToReplica } from "@atlasnet/core";
import type { ReplicaNews } from "../host/protocol.ts";
import type { BegunState } from "../replica/source-types.ts";
import { ReplicaTarget } from "../replica/target.ts";
import type {
  ReplicaTargetDependencies,
  TargetEffect as StreamEffect,
  TargetEvent as StreamEvent,
  TargetProgress,
} from "../replica/target-types.ts";
import { type Arrival, replicaFailure } from "./arrival.ts";
import type { InTurn } from "./in-turn.ts";
import type { ReplicaLane } from "./replica-links.ts";
import type { TargetEvent } from "./target.ts";

/** A source whose watch has yet to show the record is asked again after this long, in ms … */
export const TICKET_PAUSE_MS = 200;
/** … so often. */
export const MAX_TICKET_TRIES = 25;

export interface IncomingStreamOptions {
  readonly shard: string;
  readonly record: MigrationRecord;
  /** Of this node. */
  readonly boot: string;
}

export interface IncomingStreamDependencies {
  readonly links: ReplicaLane;
  readonly clock: Pick<Clock, "now">;
  readonly stream: ReplicaTargetDependencies;
  readonly arrival: Pick<Arrival, "follow" | "tellThread">;
  /** What comes of the stream has its turn among all that the migration does. */
  readonly turn: InTurn;
  /** What the migration is to know of it. */
  tell(event: TargetEvent): void;
  /** `nextAt` may be another. */
  moved(): void;
}

/** How the state of a shard that moves here comes from its source: over the link that is there, whatever becomes of it. */
export class IncomingStream {
  private readonly options: IncomingStreamOptions;
  private readonly dependencies: IncomingStreamDependencies;
  private target: ReplicaTarget | undefined;
  private link: Link | undefined;
  private ticketTries = 0;
  private askAgainAt = Number.POSITIVE_INFINITY;
  private isDropped = false;
  private keptState: BegunState | undefined;

  constructor(options: IncomingStreamOptions, dependencies: IncomingStreamDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  /** Undefined: it has not begun. */
  get progress(): TargetProgress | undefined {
    return this.target?.progress;
  }

  /** It has begun, and has not failed or ended. */
  get isThere(): boolean {
    return this.target?.over === false;
  }

  /** The state of the seal, if the source keeps it, too. */
  get kept(): BegunState | undefined {
    return this.keptState;
  }

  /** When `time` has to be told next, in ms; Infinity when nothing waits for it. */
  get nextAt(): number {
    return Math.min(this.target?.nextAt ?? Number.POSITIVE_INFINITY, this.askAgainAt);
  }

  /** Asks the source for it, as soon as there is a link. */
  follow(): void {
    const { shard, record, boot } = this.options;
    const { links, stream } = this.dependencies;
    const { id, epoch } = record;
    this.target = new ReplicaTarget({ shard, epoch, id, boot, keeps: true }, stream);
    const link = links.to(record.from);
    links.need(record.from);
    if (link !== undefined) this.join(link);
  }

  linked(link: Link): void {
    if (link.peer.node === this.options.record.from) this.join(link);
  }

  linkGone(link: Link): void {
    if (this.link !== link) return;
    this.link = undefined;
    this.handle({ type: "link-lost" });
    const other = this.dependencies.links.to(this.options.record.from);
    if (other !== undefined) this.join(other);
  }

  message(link: Link, message: ToReplica): void {
    if (link === this.link) this.handle({ type: "message", message });
  }

  news(news: ReplicaNews): void {
    switch (news.type) {
      case "replica-open":
      case "replica-at":
      case "replica-kept":
        return this.handle({ type: "thread", message: news });
      case "failed": {
        const failure = replicaFailure(news);
        if (failure !== undefined) this.handle(failure);
      }
    }
  }

  /** `nextAt` has come, or something else was due. */
  time(): void {
    const now = this.dependencies.clock.now();
    if (now >= this.askAgainAt) this.askAgain();
    if (this.target !== undefined && now >= this.target.nextAt) this.handle({ type: "time" });
  }

  handle(event: StreamEvent): void {
    if (this.isDropped) return;
    const { turn, clock } = this.dependencies;
    turn.run(() => {
      for (const effect of this.target?.handle(event, clock.now()) ?? [])
        turn.run(() => this.perform(effect));
    });
    this.dependencies.moved();
  }

  /** The migration is over: nothing is taken in or said any more. */
  drop(): void {
    this.isDropped = true;
    if (this.target !== undefined) this.dependencies.links.release(this.options.record.from);
  }

  private join(link: Link): void {
    if (this.target === undefined || this.isDropped) return;
    if (this.askAgainAt !== Number.POSITIVE_INFINITY) return;
    this.link = link;
    this.handle({ type: "link-up" });
  }

  private askAgain(): void {
    this.askAgainAt = Number.POSITIVE_INFINITY;
    this.dependencies.links.release(this.options.record.from);
    this.follow();
  }

  private perform(effect: StreamEffect): void {
    const { links, arrival, clock, tell } = this.dependencies;
    const { shard, record } = this.options;
    switch (effect.type) {
      case "replica":
        return arrival.follow(effect, {
          epoch: record.epoch,
          world: record.world,
          otherModule: record.module !== undefined,
        });
      case "thread":
        return arrival.tellThread(effect);
      case "send":
        if (this.link !== undefined) links.send(this.link, shard, effect.message);
        return;
      case "copying":
        return tell({ type: "copying" });
      case "caught-up":
        return tell({ type: "following" });
      case "ready":
        return;
      case "sealed": {
        const dueMs = Math.max(0, effect.dueAt - clock.now());
        this.keptState = effect.kept;
        return tell({
          ...{ type: "sealed", tick: effect.tick, dueMs },
          keeps: effect.kept !== undefined,
        });
      }
      case "failed":
        return this.failed(effect.code, effect.reason);
    }
  }

  private failed(code: ReplicaCloseCode, reason: string): void {
    const { clock, tell, moved } = this.dependencies;
    this.link = undefined;
    if (code !== "unknown-ticket" || this.ticketTries >= MAX_TICKET_TRIES)
      return tell({ type: "failed", code, reason });
    this.ticketTries += 1;
    this.askAgainAt = clock.now() + TICKET_PAUSE_MS;
    moved();
  }
}
