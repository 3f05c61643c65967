import { type MigrationRecord, type MigrationRefusal, worldOfShard } from "@atlasnet/core";
import { ApiError } from "./api-error.ts";
import type { AskedMigration } from "./migrations.ts";

export type MigrationRefusalCode = MigrationRefusal | "no-target";

/** It could move, and enough others do. */
export function tooMany(shard: string, problem: string): ApiError {
  return new ApiError(
    "too-many-requests",
    `${shard}: ${problem}`,
    "Ask again when some have arrived: `atlasnet migration ls` shows them. The bound is `placement.maxMoves` of the apiservers.",
  );
}

/** The answer to what cannot be, with what to do. `underWay`: the migration that is in the way, if one is. */
export function migrationRefused(
  { shard, to, module }: Pick<AskedMigration, "shard" | "to" | "module">,
  code: MigrationRefusalCode,
  problem: string,
  underWay: MigrationRecord | undefined,
): ApiError {
  const world = worldOfShard(shard) ?? "";
  const elsewhere = `While it runs, a world comes to another module on another gameserver, which has that module and room: start one. Or have it closed and opened again where it is: \`atlasnet world update ${world} --module …\`.`;
  switch (code) {
    case "no-world":
      return new ApiError(
        "not-found",
        `there is no world ${world}`,
        "`atlasnet world ls` shows them.",
      );
    case "no-node":
      return to === undefined
        ? new ApiError("conflict", `${shard}: ${problem}`, "Try again.")
        : new ApiError(
            "not-found",
            `there is no gameserver ${to}`,
            "`atlasnet node ls` shows them.",
          );
    case "migrating":
      return underWay === undefined
        ? new ApiError("migrating", `${shard}: ${problem}`)
        : alreadyUnderWay(shard, underWay);
    case "no-target":
      return new ApiError(
        "no-target",
        `${shard}: ${problem}`,
        ...(module === undefined ? [] : [elsewhere]),
      );
    case "not-ready":
      return new ApiError(
        "no-target",
        `${shard}: ${problem}`,
        "Name a gameserver that is ready and not cordoned: `atlasnet node ls` shows them.",
      );
    case "disabled":
      return new ApiError(
        "conflict",
        `${shard}: ${problem}`,
        "Nothing of it runs that could move.",
      );
    case "not-owned":
      return new ApiError(
        "conflict",
        `${shard}: ${problem}`,
        `It is opened where there is room by itself; \`atlasnet world show ${world}\` says what stands in the way.`,
      );
    case "own":
      return new ApiError(
        "conflict",
        `${shard}: ${problem}`,
        module === undefined ? "It is where it shall be." : elsewhere,
      );
  }
}

/** Of two operators, the second one is told of the first one's. */
function alreadyUnderWay(
  shard: string,
  { id, from, to, reason, by, started }: MigrationRecord,
): ApiError {
  const since = new Date(started).toISOString();
  return new ApiError(
    "migrating",
    `${shard} is on its way from ${from} to ${to} already: migration ${id} (${by ?? reason}), begun at ${since}`,
    `Wait until it has arrived (\`atlasnet migration ls\`), or end it: \`atlasnet migration cancel ${worldOfShard(shard) ?? ""}\`.`,
  );
}
