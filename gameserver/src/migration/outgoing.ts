import {
  type Clock,
  clipText,
  type Link,
  MAX_REASON_BYTES,
  type MigrationPhase,
  type MigrationProgress,
  type MigrationRecord,
  type ReplicaClose,
  type ReplicaCloseCode,
  type ReplicaOpen,
  type Seen,
  type ToOwner,
} from "@atlasnet/core";
import type { ReplicaNews } from "../host/protocol.ts";
import { ReplicaSource } from "../replica/source.ts";
import type {
  ReplicaSourceDependencies,
  SourceEffect as StreamEffect,
  SourceEvent as StreamEvent,
} from "../replica/source-types.ts";
import { Alarm } from "./alarm.ts";
import { InTurn } from "./in-turn.ts";
import type { MigrationHome, MovingWorlds } from "./migration-home.ts";
import type { MigrationWatch } from "./migration-watch.ts";
import type { ReplicaLane } from "./replica-links.ts";
import {
  MigrationSource,
  type SourceEffect,
  type SourceEvent,
  type SourcePhase,
} from "./source.ts";
import { ticketProblem } from "./ticket.ts";

export interface OutgoingOptions {
  readonly shard: string;
  readonly migration: Seen<MigrationRecord>;
  readonly boot: string;
  readonly bytesPerSecond: number;
}

export interface OutgoingDependencies {
  readonly home: MigrationHome;
  readonly worlds: MovingWorlds;
  readonly links: ReplicaLane;
  readonly clock: Clock;
  readonly watch: MigrationWatch;
  readonly stream: ReplicaSourceDependencies;
  /** Whether one more may copy now. */
  mayCopy(): boolean;
  /** Whether this node may go on as the shard's mirror. */
  keeps(shard: string, record: MigrationRecord): boolean;
  /** It is over. */
  ended(): void;
}

/** As whom it concerns is told of them. */
const SHOWN_PHASES: { readonly [phase in SourcePhase]: MigrationPhase } = {
  waiting: "preparing",
  copying: "copying",
  following: "following",
  sealed: "sealed",
  aborting: "copying",
  over: "switching",
};

/** A migration away from here: drives the core and the replica's stream, and does what they ask for. */
export class Outgoing {
  readonly shard: string;
  readonly record: MigrationRecord;
  private readonly options: OutgoingOptions;
  private readonly dependencies: OutgoingDependencies;
  private readonly core: MigrationSource;
  private readonly turn = new InTurn();
  private readonly alarm: Alarm;
  private stream: ReplicaSource | undefined;
  private link: Link | undefined;
  /** Asked for before it could be answered. */
  private waiting: { readonly link: Link; readonly open: ReplicaOpen } | undefined;
  /** Of the last copy that was whole. */
  private copiedBytes = 0;
  private isDropped = false;

  constructor(options: OutgoingOptions, dependencies: OutgoingDependencies) {
    const { shard, migration, boot } = options;
    const { home, clock, links, watch } = dependencies;
    this.shard = shard;
    this.options = options;
    this.dependencies = dependencies;
    const me = { node: home.node, boot };
    this.core = new MigrationSource(
      { shard, me, migration },
      { view: () => home.view(shard), wallTime: () => clock.wallTime() },
      clock.now(),
    );
    this.record = this.core.record;
    this.alarm = new Alarm(clock, () => this.time());
    links.serve(shard);
    watch.begun(shard, this.record, "source");
    this.setAlarm();
  }

  /** It has a copy under way. */
  get isCopying(): boolean {
    return this.stream !== undefined && !this.stream.over;
  }

  get progress(): MigrationProgress {
    const { bytes = 0, totalBytes = 0, lagTicks = 0, whole = false } = this.stream?.progress ?? {};
    return {
      ...{ shard: this.shard, id: this.record.id, bytes, totalBytes },
      phase: SHOWN_PHASES[this.core.phase],
      lagTicks: whole ? lagTicks : 0,
    };
  }

  /** The watch has shown something, or the shard's state here has changed. */
  look(): void {
    this.tell({ type: "look" });
    this.admit();
  }

  /** The shard runs here no more, and not because it has moved. */
  gone(problem: string): void {
    this.tell({ type: "gone", problem });
  }

  giveUp(problem: string): void {
    this.tell({ type: "give-up", problem });
  }

  /** Everything was taken from this node: nothing comes of it any more. */
  drop(): void {
    this.end();
  }

  message(link: Link, message: ToOwner): void {
    if (message.type === "replica-open") {
      this.waiting = { link, open: message };
      return this.admit();
    }
    if (link === this.link) this.toStream({ type: "message", message });
  }

  linkGone(link: Link): void {
    if (this.waiting?.link === link) this.waiting = undefined;
    if (this.link !== link) return;
    this.link = undefined;
    this.toStream({ type: "link-lost" });
  }

  news(news: ReplicaNews): void {
    switch (news.type) {
      case "copy-begun":
      case "copy-piece":
      case "delta":
        return this.toStream({ type: "thread", message: news });
      case "sealed": {
        const { shard, record } = this;
        if (this.dependencies.keeps(shard, record)) this.toStream({ type: "keeps" });
        // The target may switch once it has heard of the seal: nothing must be left to say here then (rule 5.1).
        this.dependencies.worlds.tellProxies(
          { type: "shard-sealed", shard, epoch: record.epoch, to: record.to },
          () => this.toStream({ type: "thread", message: news }),
        );
        return this.tell({ type: "sealed" });
      }
      case "failed":
        if (news.during === "copy" || news.during === "seal")
          this.toStream({ type: "copy-failed", copy: news.copy, problem: news.error.message });
    }
  }

  /** Answers who has asked to follow, once the shard runs and it is its turn. */
  private admit(): void {
    const { waiting, shard, record } = this;
    if (waiting === undefined || this.isDropped) return;
    const { home, mayCopy } = this.dependencies;
    const { link, open } = waiting;
    const me = { node: home.node, boot: this.options.boot };
    const problem = ticketProblem(open, link.peer.node, home.view(shard), me);
    if (problem !== undefined) {
      this.waiting = undefined;
      return this.refuse(link, open, problem.code, problem.reason);
    }
    if (this.stream?.over === true) {
      this.waiting = undefined;
      return this.refuse(link, open, "ended", "this migration is being aborted");
    }
    if (!home.runsAt(shard, record.epoch)) return;
    if (this.stream === undefined) {
      if (!mayCopy()) return;
      const { bytesPerSecond } = this.options;
      this.stream = new ReplicaSource(
        { shard, epoch: record.epoch, id: record.id, bytesPerSecond },
        this.dependencies.stream,
      );
    }
    this.waiting = undefined;
    if (this.link !== undefined && this.link !== link)
      this.refuse(this.link, open, "superseded", "another link serves the same ticket");
    this.link = link;
    this.toStream({ type: "opened", open });
  }

  private refuse(
    link: Link,
    open: Pick<ReplicaOpen, "shard" | "epoch" | "id">,
    code: ReplicaCloseCode,
    reason: string,
  ): void {
    this.dependencies.links.send(link, this.shard, closing(open, code, reason));
  }

  private time(): void {
    const now = this.dependencies.clock.now();
    if (this.stream !== undefined && now >= this.stream.nextAt) this.toStream({ type: "time" });
    this.tell({ type: "time" });
  }

  private tell(event: SourceEvent): void {
    if (this.isDropped) return;
    this.turn.run(() => {
      const before = this.core.phase;
      for (const effect of this.core.handle(event, this.dependencies.clock.now()))
        this.turn.run(() => this.perform(effect));
      if (this.core.phase !== before) {
        this.dependencies.watch.phase(this.record, "source", this.core.phase);
        this.dependencies.home.hurry();
      }
    });
    this.setAlarm();
  }

  private toStream(event: StreamEvent): void {
    if (this.isDropped) return;
    this.turn.run(() => {
      for (const effect of this.stream?.handle(event, this.dependencies.clock.now()) ?? [])
        this.turn.run(() => this.performStream(effect));
    });
    this.setAlarm();
  }

  private setAlarm(): void {
    if (this.isDropped) return;
    this.alarm.set(Math.min(this.core.nextAt, this.stream?.nextAt ?? Number.POSITIVE_INFINITY));
  }

  private perform(effect: SourceEffect): void {
    const { worlds, home, watch } = this.dependencies;
    const { shard, record } = this;
    switch (effect.type) {
      case "seal":
        return worlds.tell(shard, { type: "seal-shard", shard });
      case "unseal":
        worlds.tell(shard, { type: "unseal-shard", shard });
        return worlds.tellProxies({ type: "shard-unsealed", shard, epoch: record.epoch });
      case "txn": {
        const { attempt } = effect;
        home.txn(effect.request).then(
          (answer) => this.tell({ type: "answered", attempt, answer }),
          (error: unknown) => watch.broken(error),
        );
        return;
      }
      case "end":
        return this.toStream({ type: "end", code: effect.code, reason: effect.reason });
      case "over":
        watch.ended(shard, record, "source", {
          ...effect,
          bytes: this.copiedBytes,
        });
        return this.end();
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
        return this.tell({ type: "copying", again: effect.again });
      case "copied":
        this.copiedBytes = effect.bytes;
        return this.tell({ type: "copied" });
      case "ready":
      case "caught-up":
      case "lagging":
        return this.tell({ type: effect.type });
      case "failed":
        return this.tell({ type: "failed", code: effect.code, reason: effect.reason });
      case "acknowledged":
      // The watch is the truth about who has it.
      case "done":
        return;
    }
  }

  private end(): void {
    if (this.isDropped) return;
    this.isDropped = true;
    this.alarm.set(Number.POSITIVE_INFINITY);
    this.dependencies.links.unserve(this.shard);
    this.dependencies.ended();
  }
}

/** A `replica-close` of what `open` asked for. */
export function closing(
  { shard, epoch, id }: Pick<ReplicaOpen, "shard" | "epoch" | "id">,
  code: ReplicaCloseCode,
  reason: string,
): ReplicaClose {
  return {
    type: "replica-close",
    ...{ shard, epoch, id, code },
    reason: clipText(reason, MAX_REASON_BYTES),
  };
}
