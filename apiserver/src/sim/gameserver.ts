import {
  ABSENT,
  type ClaimView,
  type Compare,
  changeNodeState,
  claimShard,
  decodeRecord,
  generationOf,
  isAlive,
  LEASE_DRIFT,
  Lease,
  migrationKey,
  mirrorKey,
  type NodeRecord,
  nodeKey,
  ownerKey,
  parseRecordKey,
  type Records,
  registerNode,
  releaseShard,
  type Seen,
  seen,
  shardKey,
  type TxnRequest,
  whyRelease,
  worldKey,
  worldOfShard,
} from "@atlasnet/core";
import { nodeRecord } from "@atlasnet/core/testing";
import type { SimApiserver } from "./apiserver.ts";
import { SimMigrations } from "./migrations.ts";
import type { SimProcess } from "./process.ts";
import { type ClientParts, StoreClient } from "./store-client.ts";
import { Watcher } from "./watcher.ts";

const GIVE_UP_MS = 4000;
const RENEW_ASK_MS = 600;

/** What outlives a gameserver's process: its disk. */
export interface GameserverDisk {
  boots: number;
  lastBoot: string | undefined;
}

export interface GameserverOptions {
  readonly leaseMs: number;
  readonly historyChanges: number;
  readonly labels: { readonly [name: string]: string };
}

/**
 * One life of a gameserver: registers, keeps its lease, claims what it is asked to, acts for what it owns while it
 * may, releases what it shall not have any more.
 */
export class SimGameserver {
  readonly id: string;
  readonly watchers: readonly Watcher[];
  private readonly options: GameserverOptions;
  private readonly parts: ClientParts;
  private readonly process: SimProcess;
  private readonly disk: GameserverDisk;
  private readonly client: StoreClient;
  private readonly lease: Lease;
  /** Where it renews, until that fails. */
  private server: string | undefined;
  private boot = "";
  private isRegistered = false;
  private isRegistering = false;
  private isChecking = false;
  /** Shards it acts for, with their epochs. */
  private readonly owned = new Map<string, number>();
  /** A claim, an ownership or a release is under way. */
  private readonly busy = new Set<string>();
  /** Ownerships up to these epochs were given up. */
  private readonly given = new Map<string, number>();
  private readonly migrations: SimMigrations;

  constructor(options: GameserverOptions, parts: ClientParts, disk: GameserverDisk) {
    this.options = options;
    this.parts = parts;
    this.process = parts.host.process;
    this.id = parts.host.id;
    this.disk = disk;
    this.client = new StoreClient(parts);
    this.migrations = new SimMigrations(parts);
    const { process } = this;
    const blind = parts.faults.has("blind-to-sleep");
    this.lease = new Lease(
      { maxStallMs: 400, maxJumpMs: 100 },
      {
        clock: {
          now: () => process.now(),
          wallTime: () => (blind ? process.now() : process.wallTime()),
          setTimer: (ms, fn) => process.setTimer(ms, fn),
        },
        onSealed: () => parts.books.losses.ended(this.boot),
      },
    );
    const { historyChanges } = options;
    this.watchers = ["nodes/", "worlds/", "shards/"].map(
      (prefix) => new Watcher({ prefix, historyChanges }, parts, this.client),
    );
  }

  get isUp(): boolean {
    return this.process.isAlive;
  }

  get bootName(): string {
    return this.boot;
  }

  start(): void {
    for (const watcher of this.watchers) this.go(watcher.run());
    this.go(this.register());
    this.go(this.renewing());
    this.go(this.looking());
    this.acting();
  }

  /** The first thing that runs after a pause may be the release of a batch. */
  act(): void {
    const { faults, books } = this.parts;
    const may = faults.has("acts-without-looking")
      ? this.lease.sealed === undefined
      : this.lease.mayAct();
    if (!may) return;
    for (const [shard, epoch] of this.owned)
      books.actors.act({ node: this.id, boot: this.boot, shard, epoch });
  }

  private go(work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      this.parts.books.violations.add(
        "no faults of the simulation",
        `${this.id}: ${String(error)}`,
      ),
    );
  }

  private acting(): void {
    this.process.setTimer(this.parts.random.int(8, 25), () => {
      this.act();
      this.acting();
    });
  }

  private async register(): Promise<void> {
    if (this.isRegistering) return;
    this.isRegistering = true;
    this.isRegistered = false;
    const { disk, client, process, options } = this;
    disk.boots += 1;
    const boot = `${this.id}/${disk.boots}`;
    for (;;) {
      const before = await this.readNode();
      const registration = before && {
        record: nodeRecord({ labels: options.labels, leaseMs: options.leaseMs, boot }),
        generation: 0,
        previousBoot: disk.lastBoot,
      };
      if (before?.record?.boot === boot && isAlive(before.record, boot)) break;
      const made = registration && registerNode(this.id, before, registration);
      if (made?.ok === true) {
        const answer = await client.txn(made.txn, GIVE_UP_MS);
        if (answer.type === "done" && answer.result.succeeded) break;
      }
      await process.sleep(100);
    }
    this.boot = boot;
    disk.lastBoot = boot;
    this.lease.registered();
    this.isRegistered = true;
    this.isRegistering = false;
  }

  private async readNode(): Promise<Seen<NodeRecord> | undefined> {
    const key = nodeKey(this.id);
    const answer = await this.client.range({ key }, GIVE_UP_MS);
    if (answer.type !== "done") return undefined;
    const [item] = answer.result.items;
    if (item === undefined) return ABSENT;
    const decoded = decodeRecord("node", item.value);
    return decoded.ok ? seen(decoded.record, item) : undefined;
  }

  private async renewing(): Promise<never> {
    const { process, options } = this;
    for (;;) {
      if (this.isRegistered) this.go(this.renew());
      await process.sleep(options.leaseMs / 4);
    }
  }

  private async renew(): Promise<void> {
    const { lease, boot, id, parts, process } = this;
    const { net, host, random, apiservers, faults, books } = parts;
    const number = lease.renewing();
    const sentAt = books.violations.now();
    const all = apiservers();
    const ask = (server: SimApiserver) => server.renew({ node: id, boot, number });
    this.server ??= all[random.int(0, all.length - 1)] ?? "";
    const answer = await net.ask(host, this.server, ask, RENEW_ASK_MS).catch(() => undefined);
    if (answer === undefined) this.server = undefined;
    if (answer === undefined || boot !== this.boot || !this.isRegistered) return;
    if (answer.ok) {
      const late = faults.has("lease-from-answer");
      lease.granted(late ? lease.renewing() : number, answer.leaseMs);
      const length = (answer.leaseMs * (1 - LEASE_DRIFT)) / process.machine.rate;
      if (lease.sealed === undefined) books.losses.granted(boot, sentAt + length);
    } else if (answer.code === "lost" || answer.code === "unknown-node") await this.checkLoss(boot);
  }

  /** One that does not lead any more may have said so, and a leader may yet decide otherwise. */
  private async checkLoss(boot: string): Promise<void> {
    if (this.isChecking || this.parts.faults.has("deaf-to-loss")) return;
    this.isChecking = true;
    const now = await this.readNode();
    this.isChecking = false;
    if (now === undefined || boot !== this.boot || isAlive(now.record, boot)) return;
    this.lease.lost();
    if (!this.parts.faults.has("acts-after-loss")) this.owned.clear();
    this.parts.books.losses.ended(boot);
    await this.register();
  }

  private async looking(): Promise<never> {
    for (;;) {
      await this.process.sleep(this.parts.random.int(20, 120));
      if (!this.isRegistered || !this.watchers.every(({ isReady }) => isReady)) continue;
      this.look();
    }
  }

  private look(): void {
    const mine = this.seen("node", nodeKey(this.id));
    if (mine.record?.boot !== this.boot) return;
    if (!isAlive(mine.record, this.boot)) {
      this.go(this.checkLoss(this.boot));
      return;
    }
    if (mine.record.state === "starting") this.setState("ready", mine);
    const [, , shards] = this.watchers;
    for (const key of shards?.book.view.keys() ?? []) {
      const parsed = parseRecordKey(key);
      if (parsed?.kind === "shard" && !this.busy.has(parsed.shard)) this.lookAt(parsed.shard);
    }
    for (const shard of this.owned.keys())
      if (!this.busy.has(shard) && this.seen("shard", shardKey(shard)).record === undefined)
        this.lookAt(shard);
  }

  private lookAt(shard: string): void {
    const { boot, id, owned, given } = this;
    const { faults } = this.parts;
    const view = this.view(shard);
    const { owner } = view;
    const migration = this.seen("migration", migrationKey(shard));
    const isMine =
      owner.record?.state === "owned" && owner.record.node === id && owner.record.boot === boot;
    if (isMine) {
      if (owner.modified <= (given.get(shard) ?? 0)) return;
      if (whyRelease(view, { node: id, boot }) !== undefined) {
        if (!faults.has("never-releases")) this.run(shard, this.release(shard, owner.modified));
      } else if (this.migrations.isSealed(boot, owner.modified, migration)) owned.delete(shard);
      else if (!owned.has(shard)) owned.set(shard, owner.modified);
      return;
    }
    if (migration.record?.to === id && migration.record.toBoot === boot) {
      const me = { node: id, boot, id: this.client.id() };
      const txn = this.migrations.proposal(shard, view, migration, me);
      if (txn !== undefined) this.run(shard, this.arrive(shard, txn));
      return;
    }
    if (faults.has("claims-never")) return;
    const generation = generationOf(view.node.modified);
    const claimed = faults.has("claims-blindly") ? { ...view, owner: ABSENT } : view;
    const made = claimShard(shard, claimed, { node: id, boot, generation, id: this.client.id() });
    if (made.ok && !owned.has(shard)) this.run(shard, this.claim(shard, view, made.txn));
  }

  private run(shard: string, work: Promise<void>): void {
    this.busy.add(shard);
    this.go(work.finally(() => this.busy.delete(shard)));
  }

  private async claim(shard: string, view: ClaimView, txn: TxnRequest): Promise<void> {
    const { boot, owned } = this;
    const { faults } = this.parts;
    const compare: readonly Compare[] = faults.has("claims-blindly") ? [] : txn.compare;
    if (faults.has("acts-before-claimed")) owned.set(shard, view.owner.modified + 1);
    const answer = await this.client.txn({ ...txn, compare }, GIVE_UP_MS);
    if (boot !== this.boot || !this.isRegistered) return;
    if (answer.type === "done" && answer.result.succeeded)
      owned.set(shard, faults.has("epoch-of-view") ? view.node.modified : answer.result.revision);
  }

  /** A switch, or an abort; the watch shows what became of one without an answer. */
  private async arrive(shard: string, txn: TxnRequest): Promise<void> {
    const { boot, owned } = this;
    const answer = await this.client.txn(txn, GIVE_UP_MS);
    if (boot !== this.boot || !this.isRegistered) return;
    const isSwitch = txn.then.some((each) => each.type === "put" && each.key === ownerKey(shard));
    if (isSwitch && answer.type === "done" && answer.result.succeeded)
      owned.set(shard, answer.result.revision);
  }

  private async release(shard: string, epoch: number): Promise<void> {
    const { boot, id, owned, process, client } = this;
    const stop = () => {
      if (this.boot === boot) owned.delete(shard);
    };
    this.given.set(shard, epoch);
    if (!this.parts.faults.has("acts-while-releasing")) stop();
    // Its world is saved meanwhile.
    await process.sleep(this.parts.random.int(0, 200));
    for (;;) {
      const { owner } = this.view(shard);
      if (owner.modified !== epoch || this.boot !== boot) break;
      const made = releaseShard(shard, owner, { node: id, boot, id: client.id() });
      if (!made.ok) break;
      const answer = await client.txn(made.txn, GIVE_UP_MS);
      if (answer.type === "done") break;
    }
    if (this.parts.faults.has("acts-while-releasing")) {
      await process.sleep(50);
      stop();
    }
  }

  private setState(state: "ready", before: Seen<NodeRecord>): void {
    if (this.busy.has("")) return;
    const made = changeNodeState(this.id, before, this.boot, state);
    if (made.ok)
      this.run(
        "",
        this.client.txn(made.txn, GIVE_UP_MS).then(() => {}),
      );
  }

  private view(shard: string): ClaimView {
    const owner = this.seen("owner", ownerKey(shard));
    const last = owner.record?.node;
    return {
      world: this.seen("world", worldKey(worldOfShard(shard) ?? "")),
      shard: this.seen("shard", shardKey(shard)),
      owner,
      ownerNode: last === undefined ? ABSENT : this.seen("node", nodeKey(last)),
      node: this.seen("node", nodeKey(this.id)),
      mirror: this.seen("mirror", mirrorKey(shard)),
    };
  }

  /** As its watches show it. */
  private seen<K extends keyof Records>(kind: K, key: string): Seen<Records[K]> {
    for (const { book } of this.watchers) {
      const item = book.view.get(key);
      if (item === undefined) continue;
      const decoded = decodeRecord(kind, item.value);
      if (decoded.ok) return seen(decoded.record, item);
    }
    return ABSENT;
  }
}
