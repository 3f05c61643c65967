import * as v from "valibot";
import type { RebalancePlan } from "../../placement/rebalance-plan.ts";
import { ApiError } from "../api-error.ts";
import { askerOf, DEFAULT_MIGRATION_MS, migrate } from "../migrations.ts";
import { jsonRoute, type Route } from "../route.ts";
import { type RouteParts, wired } from "../route-parts.ts";

const loadsSchema = v.strictObject({ before: v.number(), after: v.number() });

const planSchema = v.strictObject({
  /** The leader does so by itself. */
  enabled: v.boolean(),
  /** Running worlds are moved while they run. */
  liveMoves: v.boolean(),
  /** Loads as shares of what a node can carry: 1 is full. */
  moves: v.array(
    v.strictObject({
      shard: v.string(),
      world: v.string(),
      from: v.string(),
      to: v.string(),
      /** It is moved while it runs; otherwise it is asked of the other node. */
      live: v.boolean(),
      fromLoad: loadsSchema,
      toLoad: loadsSchema,
      reason: v.string(),
    }),
  ),
  /** Gameservers that nothing leaves, and why; the most loaded first. */
  stay: v.array(v.strictObject({ node: v.string(), load: v.number(), why: v.string() })),
  /** Of these, beyond what is listed. */
  more: v.number(),
});

/** Moves for balance: what the leader would do now, and one round of it. */
export function rebalanceRoutes(parts: RouteParts): Route[] {
  const { store, clock, random, moves } = parts;
  return [
    jsonRoute({
      method: "GET",
      path: "/v1/rebalance",
      name: "rebalance.plan",
      summary:
        "What the leader would move for balance at this moment, and why nothing leaves the other gameservers. It changes nothing.",
      role: "read",
      answer: planSchema,
      handle: async () => {
        const plan = await planOf(parts);
        return { ...plan, moves: [...plan.moves], stay: [...plan.stay] };
      },
    }),
    jsonRoute({
      method: "POST",
      path: "/v1/rebalance",
      name: "rebalance.run",
      summary:
        "Begins the moves of the plan whose worlds run, once, also where the leader does not rebalance by itself.",
      role: "operate",
      changes: true,
      answer: v.strictObject({
        begun: v.array(
          v.strictObject({ shard: v.string(), id: v.string(), from: v.string(), to: v.string() }),
        ),
        /** Not begun, because things have changed since the plan was made. */
        refused: v.array(
          v.strictObject({ shard: v.string(), code: v.string(), message: v.string() }),
        ),
      }),
      handle: async (_, call) => {
        const plan = await planOf(parts);
        if (!plan.liveMoves)
          throw new ApiError(
            "conflict",
            "worlds are not moved while they run: placement.liveMoves is off",
            "Turn it on at every apiserver, or move one world with a pause: `atlasnet node drain`.",
          );
        const begun = [];
        const refused = [];
        for (const { shard, to, live } of plan.moves) {
          if (!live) continue;
          const asked = {
            ...{ shard, to, deadlineMs: DEFAULT_MIGRATION_MS },
            ...{ by: askerOf(call), request: call.id },
          };
          try {
            const { id: migration, from } = await migrate({ store, clock, random, moves }, asked);
            begun.push({ shard, id: migration, from, to });
          } catch (error) {
            if (!(error instanceof ApiError)) throw error;
            const { code, message } = error;
            refused.push({ shard, code, message });
          }
        }
        return { begun, refused };
      },
    }),
  ];
}

/** @throws ApiError when nobody knows */
async function planOf({ rebalance }: RouteParts): Promise<RebalancePlan> {
  const plan = await wired(rebalance, "placement").plan();
  if (plan === undefined)
    throw new ApiError(
      "no-quorum",
      "nobody leads the apiservers at present, or the leader does not answer",
      "`atlasnet raft status` says how they are. Try again in a moment.",
    );
  return plan;
}
