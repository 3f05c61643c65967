import * as v from "valibot";
import type { RebalancePlan } from "../placement/rebalance-plan.ts";
import { AskedOfLeader, type AskedOfLeaderDependencies } from "./asked-of-leader.ts";

/** Moves of one answer: as many as there may be at a time. */
const MAX_PLANNED = 1000;
/** Values of one answer; each move takes some thirty, each node that keeps its worlds eight. */
const MAX_ITEMS = 64 * 1024;

const loadsSchema = v.strictObject({ before: v.number(), after: v.number() });

const planSchema = v.strictObject({
  enabled: v.boolean(),
  liveMoves: v.boolean(),
  moves: v.array(
    v.strictObject({
      shard: v.string(),
      world: v.string(),
      from: v.string(),
      to: v.string(),
      live: v.boolean(),
      fromLoad: loadsSchema,
      toLoad: loadsSchema,
      reason: v.string(),
    }),
  ),
  stay: v.array(v.strictObject({ node: v.string(), load: v.number(), why: v.string() })),
  more: v.number(),
});

type Known = { readonly plan: RebalancePlan | undefined };

export interface GroupRebalanceDependencies
  extends Omit<AskedOfLeaderDependencies<Known>, "encode" | "decode" | "own"> {
  /** Undefined while this apiserver does not lead. */
  readonly own: () => RebalancePlan | undefined;
}

/** What the leader would move for balance, at any apiserver. */
export class GroupRebalance {
  private readonly known: AskedOfLeader<Known>;

  constructor(
    { timeoutMs }: { readonly timeoutMs: number },
    dependencies: GroupRebalanceDependencies,
  ) {
    this.known = new AskedOfLeader<Known>(
      {
        method: "rebalance-plan",
        timeoutMs,
        limits: { maxDepth: 5, maxItems: MAX_ITEMS },
        nothing: { plan: undefined },
      },
      {
        ...dependencies,
        own: () => {
          const plan = dependencies.own();
          return plan && { plan };
        },
        encode: ({ plan }) => ({ ...plan, moves: plan?.moves.slice(0, MAX_PLANNED) }),
        decode: (value) => {
          const checked = v.safeParse(planSchema, value);
          return checked.success ? { plan: checked.output } : undefined;
        },
      },
    );
  }

  /** Undefined: nobody leads, or the leader does not say. Never rejects. */
  async plan(): Promise<RebalancePlan | undefined> {
    return (await this.known.get()).plan;
  }
}
