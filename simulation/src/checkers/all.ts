import { SimViolation, type Violations } from "@atlasnet/apiserver/sim";
import type { KeyValue } from "@atlasnet/core";
import type { SimPassage } from "@atlasnet/core/sim";
import type { HistoryRecord } from "@atlasnet/history";
import { type Bound, Bounds } from "./bounds.ts";
import type { Checker } from "./checker.ts";
import { CommittedOnly } from "./committed-only.ts";
import { EncodedOnce } from "./encoded-once.ts";
import { ExactlyOnce } from "./exactly-once.ts";
import { GrowingEpochs } from "./growing-epochs.ts";
import { LeftToMirror } from "./left-to-mirror.ts";
import { MirrorGates } from "./mirror-gates.ts";
import { NoGhosts, type View } from "./no-ghosts.ts";
import { OneActor } from "./one-actor.ts";
import { OwnTransactions } from "./own-transactions.ts";
import { Promotions } from "./promotions.ts";
import { SameHash } from "./same-hash.ts";
import { Sleep } from "./sleep.ts";
import { StoreIsAll } from "./store-is-all.ts";
import { type Spoil, WatchedTicks } from "./ticks.ts";
import { Upgrades } from "./upgrades.ts";

export interface CheckersOptions {
  readonly worlds: readonly string[];
}

export interface CheckersDependencies {
  readonly violations: Violations;
  /** What is committed at this very moment, of all clocks. */
  item(key: string): KeyValue | undefined;
  /** The boot that the process of a node is registered with now. */
  bootOf(node: string): string | undefined;
  /** Something can be committed. */
  leads(): boolean;
  /** Before the first tick of a shard that was opened here, and after every tick: may break rules. */
  readonly spoil: Spoil;
}

/** All checkers of a run. Each is shown what it looks at. */
export class Checkers {
  /** Shows them every tick. */
  readonly watch: WatchedTicks;
  private readonly storeIsAll: StoreIsAll;
  private readonly encodedOnce: EncodedOnce;
  private readonly sameHash: SameHash;
  private readonly noGhosts: NoGhosts;
  private readonly exactlyOnce: ExactlyOnce;
  private readonly bounds: Bounds;
  private readonly oneActor: OneActor;
  private readonly committedOnly: CommittedOnly;
  private readonly epochs: GrowingEpochs;
  private readonly ownTransactions: OwnTransactions;
  private readonly mirrorGates: MirrorGates;
  private readonly promotions: Promotions;
  private readonly sleep: Sleep;
  private readonly upgrades: Upgrades;
  private readonly leftToMirror: LeftToMirror;

  constructor({ worlds }: CheckersOptions, dependencies: CheckersDependencies) {
    const { violations, item, bootOf, leads, spoil } = dependencies;
    const sameHash = new SameHash({ violations });
    this.sameHash = sameHash;
    this.storeIsAll = new StoreIsAll({ violations });
    this.encodedOnce = new EncodedOnce({ violations });
    this.noGhosts = new NoGhosts({ violations });
    this.exactlyOnce = new ExactlyOnce({ violations });
    this.bounds = new Bounds({ violations });
    const mirrorGates = new MirrorGates({
      ...{ violations, worlds, item },
      acknowledged: (id) => this.promotions.acknowledged(id),
    });
    this.mirrorGates = mirrorGates;
    const isOfTheMirror = (passage: SimPassage) => mirrorGates.isOfTheMirror(passage);
    this.oneActor = new OneActor({ violations, item, bootOf, isOfTheMirror });
    this.committedOnly = new CommittedOnly({
      violations,
      followerOf: (shard, epoch) => sameHash.followerOf(shard, epoch),
    });
    this.epochs = new GrowingEpochs({ violations, isOfTheMirror });
    this.ownTransactions = new OwnTransactions({ violations, worlds, item });
    this.promotions = new Promotions({
      ...{ violations, worlds, item },
      toldOf: (shard, epoch) => mirrorGates.toldOf(shard, epoch),
    });
    this.sleep = new Sleep({
      ...{ violations, item },
      followerOf: (shard, epoch) => sameHash.followerOf(shard, epoch),
    });
    this.upgrades = new Upgrades({
      ...{ violations, worlds, item },
      followerOf: (shard, epoch) => sameHash.followerOf(shard, epoch),
    });
    this.leftToMirror = new LeftToMirror({ violations, worlds, item, leads });
    this.watch = new WatchedTicks(
      // What slept is looked at before others follow it anew.
      [
        ...[this.sleep, this.upgrades, this.storeIsAll, sameHash, this.noGhosts],
        ...[this.ownTransactions, this.promotions, this.leftToMirror],
      ],
      spoil,
    );
  }

  /** A message left a node. */
  sent(passage: SimPassage): void {
    this.mirrorGates.sent(passage);
    this.epochs.sent(passage);
    this.oneActor.sent(passage);
    this.ownTransactions.sent(passage);
    this.encodedOnce.sent(passage);
    this.committedOnly.sent(passage);
    this.sleep.sent(passage);
  }

  /** A client has said or heard something. */
  recorded(record: HistoryRecord): void {
    this.exactlyOnce.take(record);
    this.epochs.take(record);
  }

  committed(): void {
    this.ownTransactions.committed();
    this.mirrorGates.committed();
    this.promotions.committed();
    this.upgrades.committed();
  }

  /** A world thread of a gameserver died. */
  lostThread(node: string): void {
    this.promotions.lostThread(node);
  }

  /** A shard of a gameserver has no more memory. */
  fellAsleep(shard: string, node: string): void {
    this.sleep.fellAsleep(shard, node);
  }

  /** What a client's mirror shows now. */
  seen(client: string, world: string, view: View): void {
    this.noGhosts.look(client, world, view);
  }

  /** To be called again and again. */
  look(bounds: readonly Bound[]): void {
    this.leftToMirror.look();
    this.bounds.look(bounds);
  }

  /** @throws SimViolation when histories are not what they have to be, now that all is told. */
  end(): void {
    const { verdict, rule } = this.exactlyOnce;
    if (!verdict.ok) throw new SimViolation(rule, JSON.stringify(verdict.told.slice(0, 3)));
  }

  get figures(): { readonly [name: string]: number } {
    const { figures } = this.exactlyOnce.verdict;
    return {
      promoted: this.promotions.promoted,
      saidWhenLost: this.oneActor.saidWhenLost,
      asleep: this.sleep.fallen,
      upgraded: this.upgrades.upgraded,
      ...{ said: figures.queued, delivered: figures.delivered, drops: figures.drops },
      ...{ rollbacks: figures.rollbacks, sessions: figures.sessions, welcomes: figures.welcomes },
      ...Object.fromEntries([...this.bounds.largest].map(([what, n]) => [`most ${what}`, n])),
      ...Object.fromEntries(this.all.map(({ rule, looked }) => [`looks ${rule}`, looked])),
    };
  }

  private get all(): readonly Checker[] {
    return [
      ...[this.storeIsAll, this.encodedOnce, this.sameHash, this.noGhosts],
      ...[this.exactlyOnce, this.bounds],
      ...[this.oneActor, this.committedOnly, this.epochs, this.ownTransactions],
      ...[this.mirrorGates, this.promotions, this.sleep, this.upgrades, this.leftToMirror],
    ];
  }
}
