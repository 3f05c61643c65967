import { crc32 } from "node:zlib";
import type {
  Clock,
  Link,
  LinkMessage,
  LinkNetwork,
  Logger,
  MigrationProgress,
  MigrationRecord,
  ReplicaUse,
  Seen,
  ToOwner,
  ToReplica,
} from "@atlasnet/core";
import type { Meter, Tracer } from "@opentelemetry/api";
import type { ReplicaNews } from "../host/protocol.ts";
import type { MirroredWorlds, MirrorHome } from "../mirror/mirror-home.ts";
import { MIRROR_TIMES, MirrorHost, type MirrorHostOptions } from "../mirror/mirror-host.ts";
import { newReplicaCounts, type ReplicaCounts } from "../replica/counts.ts";
import { Incoming } from "./incoming.ts";
import type { MigrationHome } from "./migration-home.ts";
import { type MigrationSide, MigrationWatch } from "./migration-watch.ts";
import { closing, Outgoing } from "./outgoing.ts";
import { type ReplicaLane, ReplicaLinks } from "./replica-links.ts";

/** Shards that are on their way to this node at once, and away from it; others wait for their turn. */
export const MAX_MIGRATIONS_IN = 4;
export const MAX_MIGRATIONS_OUT = 4;
/** Migrations that are over and not begun again by a view that is behind. */
const MAX_REMEMBERED = 1024;

export interface MigrationHostOptions {
  /** Of one copy: more waits. */
  readonly bytesPerSecond: number;
  /** Of mirrors; default as in the settings. */
  readonly mirror?: Pick<MirrorHostOptions, "timeoutMs" | "suspectMs">;
}

export interface MigrationHostDependencies {
  readonly network: Pick<LinkNetwork, "connect">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly tracer?: Tracer | undefined;
}

/**
 * The migrations that this node takes part in: finds them in what the watch shows, and brings to each what concerns it.
 * A shard has one at a time. Mirrors share the links.
 */
export class MigrationHost {
  private readonly options: MigrationHostOptions;
  private readonly dependencies: MigrationHostDependencies;
  private readonly links: ReplicaLinks;
  private readonly lane: ReplicaLane;
  private readonly watch: MigrationWatch;
  private readonly incoming = new Map<string, Incoming>();
  private readonly outgoing = new Map<string, Outgoing>();
  private readonly remembered = new Set<string>();
  private copies = 0;
  private isLooking = false;
  private isStopped = false;
  /** What the streams did, for figures. */
  readonly counts: ReplicaCounts = newReplicaCounts();
  readonly mirrors: MirrorHost;

  constructor(options: MigrationHostOptions, dependencies: MigrationHostDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    const { network, clock, logger, meter, tracer } = dependencies;
    this.watch = new MigrationWatch({ meter, logger, tracer, now: () => clock.now() });
    this.links = new ReplicaLinks(
      { network, clock, logger },
      {
        linked: (link) => {
          for (const each of this.incoming.values()) each.stream.linked(link);
          this.mirrors.linked(link);
        },
        gone: (link) => {
          for (const each of [...this.incoming.values(), ...this.outgoing.values()])
            each.linkGone(link);
          this.mirrors.linkGone(link);
        },
        message: (link, shard, message, use) => this.message(link, shard, message, use),
      },
    );
    this.lane = this.links.lane("migration");
    const { bytesPerSecond, mirror = MIRROR_TIMES } = options;
    const stream = { checksum: crc32, counts: this.counts, nextCopy: () => ++this.copies };
    this.mirrors = new MirrorHost(
      { bytesPerSecond, ...mirror },
      { links: this.links.lane("mirror"), ...{ clock, logger, meter, stream } },
    );
  }

  /** Both are there before the first migration is. */
  private home: MigrationHome | undefined;
  private worlds: MirroredWorlds | undefined;

  start(home: MigrationHome & MirrorHome, worlds: MirroredWorlds): void {
    this.home = home;
    this.worlds = worlds;
    this.mirrors.start(home, worlds);
  }

  /** Another gameserver opened a link. */
  accept(link: Link): void {
    this.links.accept(link);
  }

  /** The watch has shown something of these shards, or the state of shards here has changed. */
  look(shards: Iterable<string>): void {
    // What comes of one may let the next one begin; it is looked at then.
    if (this.isLooking || this.isStopped) return;
    this.isLooking = true;
    try {
      for (const each of [...this.incoming.values(), ...this.outgoing.values()]) each.look();
      const all = [...shards];
      for (const shard of all) this.consider(shard);
      this.mirrors.look(all);
    } finally {
      this.isLooking = false;
    }
  }

  /** How far they are, for whoever watches; at most one for a shard. */
  *progress(): Generator<MigrationProgress> {
    yield* this.progressOf("target");
    yield* this.progressOf("source");
  }

  /** Of those that this node is the one side of. */
  *progressOf(side: MigrationSide): Generator<MigrationProgress> {
    const all = side === "target" ? this.incoming : this.outgoing;
    for (const each of all.values()) yield each.progress;
  }

  /** Migrations away from here that are not over. */
  get leaving(): number {
    return this.outgoing.size;
  }

  news(news: ReplicaNews): void {
    this.incoming.get(news.shard)?.stream.news(news);
    this.outgoing.get(news.shard)?.news(news);
    this.mirrors.news(news);
  }

  /** The shard runs here no more. */
  gone(shard: string, problem: string): void {
    this.outgoing.get(shard)?.gone(problem);
  }

  /** The threads of these shards died. */
  died(shards: readonly string[], problem: string): void {
    for (const shard of shards) {
      this.incoming.get(shard)?.died(problem);
      this.gone(shard, problem);
    }
    this.mirrors.died(shards, problem);
  }

  /** Ends them before they are decided, by aborts. */
  giveUp(problem: string): void {
    for (const each of [...this.incoming.values(), ...this.outgoing.values()]) each.giveUp(problem);
  }

  /** The node takes nothing more. */
  refuseMore(problem: string): void {
    for (const each of [...this.incoming.values()]) each.giveUp(problem);
  }

  /** Everything was taken from this node. */
  lost(): void {
    for (const each of [...this.incoming.values(), ...this.outgoing.values()]) each.drop();
    this.mirrors.lost();
  }

  stop(): void {
    this.mirrors.stop();
    this.lost();
    this.isStopped = true;
    this.links.stop();
  }

  private consider(shard: string): void {
    const { home } = this;
    const boot = home?.registration?.boot;
    if (home === undefined || boot === undefined) return;
    const { migration } = home.view(shard);
    const { record } = migration;
    if (record === undefined || this.remembered.has(record.id)) return;
    if (this.incoming.has(shard) || this.outgoing.has(shard)) return;
    if (record.to === home.node && record.toBoot === boot) this.come(shard, migration, boot);
    else if (record.from === home.node && record.fromBoot === boot) this.go(shard, migration, boot);
  }

  private come(shard: string, migration: Seen<MigrationRecord>, boot: string): void {
    const { home, worlds, lane: links, watch, counts } = this;
    if (home?.registration === undefined || worlds === undefined) return;
    const { clock } = this.dependencies;
    const me = { node: home.node, boot, generation: home.registration.generation };
    const each: Incoming = new Incoming(
      { shard, migration, me },
      {
        ...{ home, worlds, links, clock, watch },
        stream: { checksum: crc32, counts },
        mirrors: this.mirrors,
        mayBegin: () =>
          count(this.incoming.values(), ({ isUnderWay }) => isUnderWay) < MAX_MIGRATIONS_IN,
        ended: () => this.ended(this.incoming, each),
      },
    );
    this.incoming.set(shard, each);
    each.look();
  }

  private go(shard: string, migration: Seen<MigrationRecord>, boot: string): void {
    const { home, worlds, lane: links, watch, counts } = this;
    if (home === undefined || worlds === undefined) return;
    const { clock } = this.dependencies;
    const { bytesPerSecond } = this.options;
    const each: Outgoing = new Outgoing(
      { shard, migration, boot, bytesPerSecond },
      {
        ...{ home, worlds, links, clock, watch },
        stream: { checksum: crc32, counts, nextCopy: () => ++this.copies },
        mayCopy: () =>
          count(this.outgoing.values(), ({ isCopying }) => isCopying) < MAX_MIGRATIONS_OUT,
        keeps: (name, record) => this.mirrors.mayKeep(name, record),
        ended: () => this.ended(this.outgoing, each),
      },
    );
    this.outgoing.set(shard, each);
    each.look();
  }

  private ended<T extends Incoming | Outgoing>(of: Map<string, T>, each: T): void {
    if (of.get(each.shard) === each) of.delete(each.shard);
    if (each instanceof Incoming) this.mirrors.arrived(each.shard);
    this.remembered.add(each.record.id);
    for (const id of this.remembered) {
      if (this.remembered.size <= MAX_REMEMBERED) break;
      this.remembered.delete(id);
    }
    // Not from within: another one may begin now.
    queueMicrotask(() => this.look([each.shard]));
  }

  private message(link: Link, shard: string, message: LinkMessage, use: ReplicaUse): void {
    if (!isToOwner(message) && !isToReplica(message))
      return link.close({
        code: "bad-message",
        detail: `"${message.type}" is not for a gameserver`,
      });
    if (isToReplica(message)) {
      if (use === "mirror") this.mirrors.toReplica(link, shard, message);
      else this.incoming.get(shard)?.stream.message(link, message);
    }
    if (!isToOwner(message)) return;
    const isTaken =
      use === "mirror"
        ? this.mirrors.toOwner(link, shard, message, this.incoming.has(shard))
        : this.toOutgoing(link, shard, message);
    if (isTaken || message.type !== "replica-open") return;
    const reason = `there is no such ${use} of this shard, as far as this node knows`;
    const refusal = closing(message, "unknown-ticket", reason);
    this.links.lane(use).send(link, shard, refusal);
  }

  /** False: it is for nobody here. */
  private toOutgoing(link: Link, shard: string, message: ToOwner): boolean {
    const each = this.outgoing.get(shard);
    each?.message(link, message);
    return each !== undefined;
  }
}

const toOwner: ReadonlySet<string> = new Set<ToOwner["type"]>([
  "replica-open",
  "replica-ack",
  "replica-ready",
  "replica-done",
  "replica-close",
]);
const toReplica: ReadonlySet<string> = new Set<ToReplica["type"]>([
  "replica-copy",
  "replica-piece",
  "replica-delta",
  "replica-pulse",
  "replica-sealed",
  "replica-close",
]);

function isToOwner(message: LinkMessage): message is ToOwner {
  return toOwner.has(message.type);
}

function isToReplica(message: LinkMessage): message is ToReplica {
  return toReplica.has(message.type);
}

function count<T>(all: Iterable<T>, holds: (each: T) => boolean): number {
  let found = 0;
  for (const each of all) if (holds(each)) found += 1;
  return found;
}
