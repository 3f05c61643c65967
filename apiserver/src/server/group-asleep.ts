import {
  type CallAnswer,
  callCode,
  decodeCbor,
  encodeCbor,
  type LeaderInfo,
  withWireIntegers,
} from "@atlasnet/core";
import * as v from "valibot";
import type { PeerCalls } from "../raft/shell/peer-calls.ts";

const METHOD = "asleep-shards";
/** Shards of one question; those behind them are shown as if they were awake. */
export const MAX_ASKED_ASLEEP = 4096;

const LIMITS = { maxDepth: 3, maxItems: MAX_ASKED_ASLEEP + 8 };
const shardsSchema = v.strictObject({
  shards: v.pipe(v.array(v.string()), v.maxLength(MAX_ASKED_ASLEEP)),
});

export interface GroupAsleepDependencies {
  readonly calls: Pick<PeerCalls, "askLeader" | "handle">;
  readonly leader: () => LeaderInfo | undefined;
  /** Those of the shards that sleep, as far as this apiserver knows: undefined while it does not lead. */
  readonly own: (shards: readonly string[]) => readonly string[] | undefined;
}

/**
 * Which shards sleep, at any apiserver. Only the leader hears it from nodes, and there may be very many, so it is asked
 * about those that somebody looks at. Nothing known is no error: it is for people.
 */
export class GroupAsleep {
  private readonly timeoutMs: number;
  private readonly dependencies: GroupAsleepDependencies;

  constructor(
    { timeoutMs }: { readonly timeoutMs: number },
    dependencies: GroupAsleepDependencies,
  ) {
    this.timeoutMs = timeoutMs;
    this.dependencies = dependencies;
    dependencies.calls.handle(METHOD, async (_from, body) => this.answer(body));
  }

  /** Those of `shards` that sleep. Never rejects. */
  async of(shards: readonly string[]): Promise<ReadonlySet<string>> {
    const { own, leader } = this.dependencies;
    if (shards.length === 0) return new Set();
    const known = own(shards);
    if (known !== undefined) return new Set(known);
    const to = leader();
    return new Set(to === undefined ? [] : await this.ask(to.node, shards));
  }

  private answer(body: Uint8Array): CallAnswer {
    const asked = decode(body);
    if (asked === undefined) return callCode("failed");
    const known = this.dependencies.own(asked);
    return known === undefined ? callCode("not-leader") : { code: "ok", body: encode(known) };
  }

  private async ask(leader: string, shards: readonly string[]): Promise<readonly string[]> {
    const question = encode(shards.slice(0, MAX_ASKED_ASLEEP));
    const { calls } = this.dependencies;
    const { code, body } = await calls.askLeader(leader, METHOD, question, this.timeoutMs);
    return (code === "ok" ? decode(body) : undefined) ?? [];
  }
}

function encode(shards: readonly string[]): Uint8Array {
  // The encoder's buffer is shared.
  return encodeCbor(withWireIntegers({ shards })).slice();
}

function decode(bytes: Uint8Array): readonly string[] | undefined {
  const decoded = decodeCbor(bytes, LIMITS);
  const checked = v.safeParse(shardsSchema, decoded.ok ? decoded.value : undefined);
  return checked.success ? checked.output.shards : undefined;
}
