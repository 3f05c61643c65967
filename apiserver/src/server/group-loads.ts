import {
  type CallAnswer,
  type Clock,
  callCode,
  decodeCbor,
  encodeCbor,
  type LeaderInfo,
  type NodeLoad,
  withWireIntegers,
} from "@atlasnet/core";
import * as v from "valibot";
import type { LoadPort } from "../http/ports.ts";
import { loadSchema } from "../http/record-schemas.ts";
import type { PeerCalls } from "../raft/shell/peer-calls.ts";

const METHOD = "node-loads";
const NO_BYTES = new Uint8Array(0);
/** Nodes of one answer; of more, the others are not known at apiservers that do not lead. */
export const MAX_LOADS = 4096;
/** What the leader said is as good as new for so long. */
const FRESH_MS = 1000;
const SCAN_LIMITS = { maxDepth: 3, maxItems: MAX_LOADS * 13 } as const;

const loadsSchema = v.record(v.string(), loadSchema);

export type Loads = ReadonlyMap<string, NodeLoad>;
const NONE: Loads = new Map();

export interface GroupLoadsDependencies {
  readonly calls: Pick<PeerCalls, "askLeader" | "handle">;
  readonly leader: () => LeaderInfo | undefined;
  /** What this apiserver knows: undefined while it does not lead. */
  readonly own: () => Loads | undefined;
  readonly clock: Clock;
}

/** How nodes are loaded, at any apiserver: those that do not lead ask the leader, at most once a second. */
export class GroupLoads implements LoadPort {
  private readonly timeoutMs: number;
  private readonly dependencies: GroupLoadsDependencies;
  private last: { readonly at: number; readonly loads: Promise<Loads> } | undefined;

  constructor({ timeoutMs }: { readonly timeoutMs: number }, dependencies: GroupLoadsDependencies) {
    this.timeoutMs = timeoutMs;
    this.dependencies = dependencies;
    dependencies.calls.handle(METHOD, async () => this.answer());
  }

  loads(): Promise<Loads> {
    const { own, clock, leader } = this.dependencies;
    const known = own();
    if (known !== undefined) return Promise.resolve(known);
    const to = leader();
    if (to === undefined) return Promise.resolve(NONE);
    const now = clock.now();
    if (this.last === undefined || now - this.last.at > FRESH_MS)
      this.last = { at: now, loads: this.ask(to.node) };
    return this.last.loads;
  }

  private answer(): CallAnswer {
    const loads = this.dependencies.own();
    if (loads === undefined) return callCode("not-leader");
    const some = [...loads].slice(0, MAX_LOADS).map(([node, load]) => [node, { ...load }]);
    // The encoder's buffer is shared.
    return { code: "ok", body: encodeCbor(withWireIntegers(Object.fromEntries(some))).slice() };
  }

  /** Nothing known is no error: figures are for people. */
  private async ask(leader: string): Promise<Loads> {
    const { calls } = this.dependencies;
    const { code, body } = await calls.askLeader(leader, METHOD, NO_BYTES, this.timeoutMs);
    if (code !== "ok") return NONE;
    const decoded = decodeCbor(body, SCAN_LIMITS);
    const checked = v.safeParse(loadsSchema, decoded.ok ? decoded.value : undefined);
    return checked.success ? new Map(Object.entries(checked.output)) : NONE;
  }
}
