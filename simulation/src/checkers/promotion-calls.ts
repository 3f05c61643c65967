import {
  type Answer,
  type Call,
  type MirrorRecord,
  mirrorKey,
  NODES_GROUP,
  type Operation,
  parseRecordKey,
  type TxnRequest,
  txnAnswer,
  txnRequest,
} from "@atlasnet/core";
import type { SimPassage } from "@atlasnet/core/sim";
import { mirrorOf } from "./records.ts";

/** A mirror, by its id, and the transaction that makes it the owner. */
export interface Promotion {
  readonly mirror: string;
  readonly txn: string;
}

/** The answers after which a transaction may yet be applied, or may have been. */
const UNDECIDED: ReadonlySet<string> = new Set(["timeout", "lost", "failed"]);

/**
 * Mirrors that have proposed themselves to the control plane, and have no answer that says that nothing came of it. Reads
 * the calls of nodes as they leave.
 */
export class PromotionCalls {
  /** Transactions that were not refused, by the mirror's id. */
  private readonly open = new Map<string, Set<string>>();
  /** What a call proposes. */
  private readonly calls = new Map<string, Promotion>();

  /** Gives the mirror's id when this is its proposal. */
  sent({ from, to, message }: SimPassage): string | undefined {
    if (message.type === "answer") this.answered(`${to} ${from} ${message.id}`, message);
    if (message.type !== "call") return undefined;
    // Numbers begin anew with every link: what had this one will not be answered any more.
    this.calls.delete(`${from} ${to} ${message.id}`);
    const proposal = promotionIn(message);
    if (proposal === undefined) return undefined;
    this.calls.set(`${from} ${to} ${message.id}`, proposal);
    const { mirror, txn } = proposal;
    this.open.set(mirror, (this.open.get(mirror) ?? new Set()).add(txn));
    return mirror;
  }

  /** It is the owner, or may yet be. */
  isOpen(mirror: string): boolean {
    return (this.open.get(mirror)?.size ?? 0) > 0;
  }

  private answered(call: string, { code, body }: Answer): void {
    const proposal = this.calls.get(call);
    this.calls.delete(call);
    if (proposal === undefined || UNDECIDED.has(code)) return;
    if (code === "ok" && txnAnswer.decode(body).succeeded) return;
    this.open.get(proposal.mirror)?.delete(proposal.txn);
  }
}

/** The mirror that a call makes the owner; undefined: it is about something else. */
export function promotionIn({ group, method, body }: Call): Promotion | undefined {
  if (group !== NODES_GROUP || method !== "txn") return undefined;
  const { id, compare, then } = txnRequest.decode(body);
  const mirror = promoted({ compare, then });
  return mirror === undefined || id === undefined ? undefined : { mirror: mirror.id, txn: id };
}

function promoted({
  compare,
  then,
}: Pick<TxnRequest, "compare" | "then">): MirrorRecord | undefined {
  const shard = then.map(ownedBy).find((found) => found !== undefined);
  if (shard === undefined) return undefined;
  const key = mirrorKey(shard);
  if (!then.some((op) => op.type === "delete" && "key" in op && op.key === key)) return undefined;
  for (const each of compare)
    if (each.type === "value" && each.key === key) return mirrorOf({ value: each.equals });
  return undefined;
}

function ownedBy(op: Operation): string | undefined {
  if (op.type !== "put") return undefined;
  const parsed = parseRecordKey(op.key);
  return parsed?.kind === "owner" ? parsed.shard : undefined;
}
