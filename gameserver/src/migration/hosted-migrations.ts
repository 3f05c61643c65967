import {
  type ControlPlane,
  decodeRecord,
  type Logger,
  type ModuleSource,
  measureMove,
  migrationKey,
  mirrorKey,
  movedKey,
  type NodeRegistration,
  nodeKey,
  ownerKey,
  type Revision,
  type SwitchView,
  seen,
  type TxnRequest,
  type WorldRecord,
  worldOfShard,
} from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import type { MirrorHome, MirrorView } from "../mirror/mirror-home.ts";
import type { Hosting } from "../placement/hosting.ts";
import type { HostingEvent, TxnAnswer } from "../placement/hosting-types.ts";
import type { MovedFrom } from "../placement/hosting-view.ts";
import type { WorldRequest } from "../server/hosted-world.ts";
import type { WorldSnapshots } from "../snapshots/world-snapshots.ts";
import type { MigrationHome } from "./migration-home.ts";

export interface HostedMigrationsDependencies {
  readonly control: ControlPlane;
  readonly hosting: Hosting;
  readonly snapshots?: WorldSnapshots | undefined;
  tell(event: HostingEvent): void;
  txn(request: TxnRequest): Promise<TxnAnswer>;
  /** The file of the module, held for the shard. @throws OperatingError */
  fileOf(shard: string, module: ModuleSource): Promise<string>;
  /** The shard does not come: its module is not needed for it. */
  release(shard: string): void;
  readonly logger: Logger;
  broken(error: unknown): void;
}

/** What migrations and mirrors need of a node, from the parts of its world host. */
export class HostedMigrations implements MigrationHome, MirrorHome {
  private readonly dependencies: HostedMigrationsDependencies;

  constructor(dependencies: HostedMigrationsDependencies) {
    this.dependencies = dependencies;
  }

  get node(): string {
    return this.dependencies.control.node;
  }

  get registration(): NodeRegistration | undefined {
    return this.dependencies.control.registration;
  }

  view(shard: string): SwitchView {
    return this.dependencies.hosting.seen.switchOf(shard);
  }

  /** Looked at several times in every tick of a mirrored world. */
  mirrorView(shard: string): MirrorView {
    const { seen, records } = this.dependencies.hosting;
    const mirror = records.reader("mirror", mirrorKey(shard));
    const owner = records.reader("owner", ownerKey(shard));
    return {
      get mirror() {
        return mirror();
      },
      get owner() {
        return owner();
      },
      get ownerNode() {
        return records.seen("node", nodeKey(this.owner.record?.node ?? ""));
      },
      get migration() {
        return records.seen("migration", migrationKey(shard));
      },
      get shard() {
        return seen.switchOf(shard).shard;
      },
      get world() {
        return seen.switchOf(shard).world;
      },
      get node() {
        return seen.switchOf(shard).node;
      },
    };
  }

  epochHere(shard: string): Revision | undefined {
    return this.dependencies.hosting.epochOf(shard);
  }

  txn(request: TxnRequest): Promise<TxnAnswer> {
    return this.dependencies.txn(request);
  }

  runsAt(shard: string, epoch: Revision): boolean {
    return this.dependencies.hosting.runsAt(shard, epoch);
  }

  arrive(shard: string): boolean {
    const { hosting, tell } = this.dependencies;
    // Another arrival has it until it has departed, as a mirror's when its shard moves here.
    if (hosting.isArriving(shard)) return false;
    tell({ type: "arriving", shard });
    return hosting.isArriving(shard);
  }

  departed(shard: string): void {
    this.dependencies.release(shard);
    this.dependencies.tell({ type: "departed", shard });
  }

  /** Whoever asked for the migration has counted, too; it may not have known of all that is under way. */
  whyNoRoom(): string | undefined {
    const { hosting } = this.dependencies;
    const node = hosting.records.seen("node", nodeKey(this.node)).record;
    if (node === undefined) return "this node's own record was not seen yet";
    const { weight } = node.capacity;
    const needed = hosting.weight;
    return needed > weight
      ? `it has no room: its worlds would weigh ${needed}, it carries ${weight} (node.weight)`
      : undefined;
  }

  async prepare(shard: string, world: WorldRecord): Promise<WorldRequest> {
    const module = await this.dependencies.fileOf(shard, world.module);
    const { config, durability, graceSeconds, sleepAfterSeconds } = world;
    const name = worldOfShard(shard) ?? shard;
    const settings = { config, durability, graceSeconds, sleepAfterSeconds };
    return { world: name, module, ...settings, fresh: false };
  }

  ownershipOf(shard: string, epoch: Revision, of: MovedFrom): Ownership {
    return this.dependencies.hosting.seen.movedHere(shard, epoch, of);
  }

  expect(shard: string, { durability }: WorldRecord): void {
    if (durability !== "none") this.dependencies.snapshots?.expect(shard, undefined);
  }

  adopted(shard: string, ownership: Ownership, record: WorldRecord, recorded = 0): void {
    this.dependencies.tell({ type: "adopted", shard, ownership, record, recorded });
    if (record.durability === "none") return;
    this.takeOver(shard, ownership).catch((error: unknown) => this.dependencies.broken(error));
  }

  /** The shard has moved here: how long its players waited is added to the record of it, if that can be had. */
  measured(shard: string, measured: { readonly gapMs: number; readonly bytes: number }): void {
    this.addMeasured(shard, measured).catch((error: unknown) => {
      const { logger } = this.dependencies;
      logger.debug("What a migration took is not added to its record.", { shard, error });
    });
  }

  /** Read anew: the watch may not have shown the switch yet. @throws ControlError */
  private async addMeasured(
    shard: string,
    measured: { readonly gapMs: number; readonly bytes: number },
  ): Promise<void> {
    const { items } = await this.dependencies.control.store.range({ key: movedKey(shard) });
    const [item] = items;
    const decoded = item && decodeRecord("moved", item.value);
    if (item === undefined || decoded?.ok !== true) return;
    const made = measureMove(shard, seen(decoded.record, item), measured);
    if (made.ok) await this.txn(made.txn);
  }

  hurry(): void {
    this.dependencies.control.hurry();
  }

  /** What was recorded of the world before is this owner's from now on: files of before count no more. */
  private async takeOver(shard: string, ownership: Ownership): Promise<void> {
    const { snapshots } = this.dependencies;
    const newest = await snapshots?.newest(shard, ownership);
    snapshots?.begin(shard, ownership, newest && { ...newest, exact: false });
  }
}
