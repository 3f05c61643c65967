import * as v from "valibot";
import type { ShardFailure } from "../leader/leader-role.ts";
import { AskedOfLeader, type AskedOfLeaderDependencies } from "./asked-of-leader.ts";

/** Shards of one answer; of more, the others are known at the leader only, and to the nodes' logs. */
export const MAX_FAILURES = 1024;

const failuresSchema = v.strictObject({
  failures: v.array(v.strictObject({ node: v.string(), shard: v.string(), problem: v.string() })),
});

type Failures = readonly ShardFailure[];

export type GroupFailuresDependencies = Omit<
  AskedOfLeaderDependencies<Failures>,
  "encode" | "decode"
>;

/** What gameservers could not open, at any apiserver. */
export class GroupFailures {
  private readonly known: AskedOfLeader<Failures>;

  constructor(
    { timeoutMs }: { readonly timeoutMs: number },
    dependencies: GroupFailuresDependencies,
  ) {
    this.known = new AskedOfLeader<Failures>(
      {
        method: "shard-failures",
        timeoutMs,
        limits: { maxDepth: 4, maxItems: MAX_FAILURES * 8 },
        nothing: [],
      },
      {
        ...dependencies,
        encode: (failures) => ({
          failures: failures
            .slice(0, MAX_FAILURES)
            .map(({ node, shard, problem }) => ({ node, shard, problem })),
        }),
        decode: (value) => {
          const checked = v.safeParse(failuresSchema, value);
          return checked.success ? checked.output.failures : undefined;
        },
      },
    );
  }

  /** Never rejects. */
  get(): Promise<Failures> {
    return this.known.get();
  }
}
