import {
  type Compare,
  decodeRecord,
  encodeRecord,
  noopLogger,
  parseRecordKey,
  type Random,
  shardKey,
  type TxnRequest,
  type TxnResult,
} from "@atlasnet/core";
import { LeaderRole, type LeaderRoleDependencies } from "../leader/leader-role.ts";
import type { LeaseKeeper } from "../leader/lease-keeper.ts";
import type { Renewal, RenewalAnswer } from "../store/lease-table.ts";
import type { ReplicatedStore } from "../store/replicated-store.ts";
import type { ControlFaults } from "./faults.ts";
import type { Host } from "./net.ts";
import { SIM_PLACEMENT } from "./placement-pace.ts";

const NO_LOAD = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };
/** Longest delay of a proposal that comes late on purpose. */
const LATE_MS = 2500;
/** A migration takes longer. */
const TOUCHED_AFTER_MS = 30;
/** Wishes after which a leader that stops placing writes none. */
const FEW_WISHES = 1;

export interface SimLeaderParts {
  readonly store: ReplicatedStore;
  readonly host: Host;
  readonly random: Random;
  readonly faults: ControlFaults;
  readonly leaseMs: number;
  readonly liveMoves: boolean;
}

/** The real work of a leader, with rules broken on purpose around it. */
export class SimLeader {
  readonly role: LeaderRole;
  private readonly parts: SimLeaderParts;
  private wishes = 0;

  constructor(parts: SimLeaderParts) {
    this.parts = parts;
    const { store, host, faults, liveMoves } = parts;
    this.role = new LeaderRole(
      { node: host.id, placement: { ...SIM_PLACEMENT, liveMoves } },
      {
        store: faults.size === 0 ? store : this.disobedient(store),
        clock: host.process,
        logger: noopLogger,
      },
    );
    this.bend(this.role.leases);
  }

  async renew({ node, boot, number }: Renewal): Promise<RenewalAnswer> {
    const { faults, leaseMs } = this.parts;
    const answer = await this.role.leases.renew(node, { boot, number, load: NO_LOAD });
    const disobeys = faults.has("lease-renewed-while-declared");
    if (!disobeys || answer.ok || answer.code !== "lost") return answer;
    return { ok: true, number, leaseMs };
  }

  private disobedient(store: ReplicatedStore): LeaderRoleDependencies["store"] {
    return {
      get revision() {
        return store.revision;
      },
      leader: () => store.leader(),
      range: (request) => store.range(request),
      watch: (request, events) => store.watch(request, events),
      pull: (request, wake) => store.pull(request, wake),
      readBarrier: () => store.readBarrier(),
      txn: (request) => this.propose(request),
    };
  }

  private async propose(request: TxnRequest): Promise<TxnResult> {
    const { store, faults, random, host } = this.parts;
    const isWish = request.then.some(
      ({ type, ...at }) => type === "put" && "key" in at && at.key.startsWith("shards/"),
    );
    if (!isWish) return await store.txn(request);
    if (faults.has("touches-what-moves")) this.touch(request);
    this.wishes += 1;
    // Its proposer never hears of it.
    if (faults.has("places-once") && this.wishes > FEW_WISHES) return await new Promise(() => {});
    if (faults.has("wishes-come-late") && random.float() < 0.2) {
      await host.process.sleep(random.float() * LATE_MS);
      const compare: readonly Compare[] = [];
      return await store.txn({ ...request, compare });
    }
    if (!faults.has("moves-for-nothing") || random.float() > 0.3) return await store.txn(request);
    return await store.txn({ ...request, then: request.then.map((each) => this.elsewhere(each)) });
  }

  /** Asks somebody for what has just begun to move. */
  private touch({ then }: TxnRequest): void {
    const { store, host, random } = this.parts;
    for (const operation of then) {
      if (operation.type !== "put") continue;
      const parsed = parseRecordKey(operation.key);
      const decoded = decodeRecord("migration", operation.value);
      if (parsed?.kind !== "migration" || !decoded.ok) continue;
      const { shard } = parsed;
      const wish = { wanted: `gs${random.int(1, 2)}`, reason: "placed" } as const;
      const put = {
        type: "put",
        key: shardKey(shard),
        value: encodeRecord("shard", wish),
      } as const;
      const compare = [
        { type: "modified", key: operation.key, is: "greater", revision: 0 },
      ] as const;
      host.process.setTimer(TOUCHED_AFTER_MS, () => {
        store.txn({ compare, then: [put] }).catch(() => {});
      });
    }
  }

  private elsewhere(operation: TxnRequest["then"][number]): TxnRequest["then"][number] {
    if (operation.type !== "put") return operation;
    const decoded = decodeRecord("shard", operation.value);
    if (!decoded.ok) return operation;
    const wanted = `gs${this.parts.random.int(1, 2)}`;
    return { ...operation, value: encodeRecord("shard", { ...decoded.record, wanted }) };
  }

  private bend(leases: LeaseKeeper): void {
    const { faults, leaseMs } = this.parts;
    const expired = leases.expired.bind(leases);
    const declare = leases.declare.bind(leases);
    const ahead = (ms: number, isMeant: (node: string) => boolean) => {
      leases.expired = (now) => expired(now + ms).filter(isMeant);
      leases.declare = (node, now) => isMeant(node) && declare(node, now + ms);
      leases.nextExpiry = () => 0;
    };
    if (faults.has("declares-early")) ahead(leaseMs * 0.6, () => true);
    if (faults.has("new-leader-does-not-wait")) ahead(leaseMs * 2, (node) => !leases.holds(node));
    if (faults.has("loses-nobody")) ahead(0, () => false);
  }
}
