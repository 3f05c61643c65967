import { MIGRATION_PHASES } from "@atlasnet/core";
import * as v from "valibot";
import type { ReportedMigration } from "../leader/leader-role.ts";
import { AskedOfLeader, type AskedOfLeaderDependencies } from "./asked-of-leader.ts";

/** Reports of one answer; of more, the others are shown without progress at apiservers that do not lead. */
export const MAX_REPORTED_MIGRATIONS = 1024;

const migrationsSchema = v.strictObject({
  migrations: v.array(
    v.strictObject({
      node: v.string(),
      shard: v.string(),
      id: v.string(),
      phase: v.picklist(MIGRATION_PHASES),
      bytes: v.number(),
      totalBytes: v.number(),
      lagTicks: v.number(),
    }),
  ),
});

type Reports = readonly ReportedMigration[];

export type GroupMigrationsDependencies = Omit<
  AskedOfLeaderDependencies<Reports>,
  "encode" | "decode"
>;

/** How migrations come along, at any apiserver. */
export class GroupMigrations {
  private readonly known: AskedOfLeader<Reports>;

  constructor(
    { timeoutMs }: { readonly timeoutMs: number },
    dependencies: GroupMigrationsDependencies,
  ) {
    this.known = new AskedOfLeader<Reports>(
      {
        method: "migration-progress",
        timeoutMs,
        limits: { maxDepth: 4, maxItems: MAX_REPORTED_MIGRATIONS * 16 },
        nothing: [],
      },
      {
        ...dependencies,
        encode: (reports) => ({
          migrations: reports.slice(0, MAX_REPORTED_MIGRATIONS).map((each) => ({ ...each })),
        }),
        decode: (value) => {
          const checked = v.safeParse(migrationsSchema, value);
          return checked.success ? checked.output.migrations : undefined;
        },
      },
    );
  }

  /** Never rejects. */
  get(): Promise<Reports> {
    return this.known.get();
  }
}
