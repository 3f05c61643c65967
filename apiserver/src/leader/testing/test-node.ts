import {
  ABSENT,
  type AsleepSlice,
  type ClaimView,
  ControlError,
  type ControlErrorCode,
  type ControlStore,
  claimShard,
  decodeRecord,
  firstShard,
  generationOf,
  isOwned,
  Lease,
  type MigrationProgress,
  mirrorKey,
  type NodeLoad,
  type NodeRecord,
  nodeKey,
  ownerKey,
  type Proposal,
  type RecordKind,
  type Records,
  registerNode,
  type Seen,
  type ShardProblem,
  seen,
  shardKey,
  type Timer,
  worldKey,
} from "@atlasnet/core";
import { nodeRecord } from "@atlasnet/core/testing";
import type { RenewalAnswer } from "../../store/lease-table.ts";
import type { ReplicaGroup } from "./replica-group.ts";

export const LEASE_MS = 1000;
export const LOAD: NodeLoad = {
  sessions: 3,
  memoryBytes: 1000,
  busy: 0.25,
  tickMs: 4,
  bytesPerSecond: 500,
};

/** A gameserver as the apiservers see it: it registers, renews and claims when it is told to. Test support. */
export class TestNode {
  readonly id: string;
  boot = "";
  readonly lease: Lease;
  /** Of renewals since the start, in their order; "failed" for those that got no answer. */
  readonly answers: (RenewalAnswer | "failed")[] = [];
  private readonly group: ReplicaGroup;
  private boots = 0;
  private timer: Timer | undefined;

  constructor(id: string, group: ReplicaGroup) {
    this.id = id;
    this.group = group;
    this.lease = new Lease(
      { maxStallMs: 1e9, maxJumpMs: 1e9 },
      { clock: group.clock, onSealed: () => {} },
    );
  }

  /** A new boot, ready at once; renews from then on, at whoever leads. */
  async register(record: Partial<NodeRecord> = {}): Promise<boolean> {
    const { store } = this.group.leading;
    const before = await read(store, "node", nodeKey(this.id));
    this.boots += 1;
    const boot = `${this.id}/${this.boots}`;
    const { revision } = await store.range({ key: nodeKey(this.id) });
    const made = registerNode(this.id, before, {
      record: nodeRecord({ leaseMs: LEASE_MS, ...record, boot, state: "ready" }),
      generation: generationOf(revision),
      previousBoot: this.boot,
    });
    if (!made.ok || !(await store.txn(made.txn)).succeeded) return false;
    this.boot = boot;
    this.lease.registered();
    this.kill();
    this.renewOn();
    return true;
  }

  /** It renews no more. */
  kill(): void {
    this.timer?.cancel();
  }

  async renew(
    problems?: readonly ShardProblem[],
    migrations?: readonly MigrationProgress[],
    asleep?: AsleepSlice,
  ): Promise<RenewalAnswer | "failed"> {
    const { group, id, boot } = this;
    const number = this.lease.renewing();
    const answer = await group.leading.role.leases
      .renew(id, { boot, number, load: LOAD, problems, migrations, asleep })
      .catch(failed);
    if (answer !== "failed" && answer.ok && boot === this.boot)
      this.lease.granted(answer.number, answer.leaseMs);
    this.answers.push(answer);
    return answer;
  }

  /** Tries to own a world: true, false when a compare failed, or why not. */
  async claim(world: string): Promise<boolean | string> {
    const made = await this.claimOf(world);
    if (!made.ok) return made.code;
    try {
      return (await this.group.leading.store.txn(made.txn)).succeeded;
    } catch (error) {
      return codeOf(error);
    }
  }

  /** By what is applied at the leader. */
  async claimOf(world: string): Promise<Proposal<string>> {
    const { id, boot } = this;
    const { store } = this.group.leading;
    const view = await claimView(store, world, id);
    return claimShard(firstShard(world), view, {
      ...{ node: id, boot },
      generation: generationOf(store.revision),
    });
  }

  private renewOn(): void {
    this.timer = this.group.clock.setTimer(LEASE_MS / 4, () => {
      this.renewOn();
      if (this.group.leader !== undefined) void this.renew();
    });
  }
}

export async function ownerOf(store: ControlStore, world: string): Promise<string | undefined> {
  const owner = await read(store, "owner", ownerKey(firstShard(world)));
  const { record } = owner;
  if (record === undefined) return undefined;
  const local = { key: nodeKey(record.node), consistency: "local" } as const;
  const { revision } = await store.range(local);
  const node = await read(store, "node", nodeKey(record.node));
  return isOwned(owner, node, generationOf(revision)) ? record.node : undefined;
}

export async function wantedOf(store: ControlStore, world: string): Promise<string | undefined> {
  return (await read(store, "shard", shardKey(firstShard(world)))).record?.wanted;
}

export async function read<K extends RecordKind>(
  store: Pick<ControlStore, "range">,
  kind: K,
  key: string,
): Promise<Seen<Records[K]>> {
  const { items } = await store.range({ key, consistency: "local" });
  const [item] = items;
  if (item === undefined) return ABSENT;
  const decoded = decodeRecord(kind, item.value);
  if (!decoded.ok) throw new Error(`${key}: ${decoded.problem}`);
  return seen(decoded.record, item);
}

async function claimView(store: ControlStore, world: string, id: string): Promise<ClaimView> {
  const shard = firstShard(world);
  const owner = await read(store, "owner", ownerKey(shard));
  const last = owner.record?.node;
  return {
    world: await read(store, "world", worldKey(world)),
    shard: await read(store, "shard", shardKey(shard)),
    owner,
    ownerNode: last === undefined ? ABSENT : await read(store, "node", nodeKey(last)),
    node: await read(store, "node", nodeKey(id)),
    mirror: await read(store, "mirror", mirrorKey(shard)),
  };
}

function codeOf(error: unknown): ControlErrorCode {
  if (error instanceof ControlError) return error.code;
  throw error;
}

function failed(error: unknown): "failed" {
  codeOf(error);
  return "failed";
}
