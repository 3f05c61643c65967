import {
  abandonMirror,
  firstShard,
  generationOf,
  isAlive,
  isMirrored,
  isOwned,
  type MirrorRecord,
  migrationKey,
  mirrorKey,
  modifiedIs,
  type NodeRecord,
  nodeKey,
  type OwnerRecord,
  ownerKey,
  type Proposal,
  type Seen,
  type ShardRecord,
  shardKey,
  type WorldRecord,
  wantParts,
  when,
  worldKey,
} from "@atlasnet/core";
import * as v from "valibot";
import { ApiError } from "../api-error.ts";
import { propose, readRecord } from "../record-access.ts";
import { jsonRoute, type Route } from "../route.ts";
import type { RouteParts } from "../route-parts.ts";
import { revisionNumber, worldName } from "../schemas.ts";
import { noWorld } from "./worlds.ts";

interface Facts {
  readonly world: Seen<WorldRecord>;
  readonly shard: Seen<ShardRecord>;
  readonly owner: Seen<OwnerRecord>;
  readonly ownerNode: Seen<NodeRecord>;
  readonly mirror: Seen<MirrorRecord>;
  readonly mirrorNode: Seen<NodeRecord>;
  readonly migrationModified: number;
  readonly generation: number;
}

type Refused = "no-world" | "not-mirrored" | "alive" | "no-target";

/** What only an operator may decide about mirrored worlds. */
export function mirrorRoutes({ store, moves }: RouteParts): Route[] {
  return [
    jsonRoute({
      method: "POST",
      path: "/v1/worlds/{world}/restore-from-snapshot",
      name: "worlds.restoreFromSnapshot",
      summary:
        "Gives up the mirror of a world whose owner and mirror are both lost: it begins again from its newest snapshot, or from the files of its node when that is back. What players were told since is lost.",
      role: "operate",
      changes: true,
      params: v.strictObject({ world: worldName }),
      body: v.strictObject({
        /** Also while its owner or its mirror seems to live. */
        force: v.optional(v.boolean(), false),
      }),
      answer: v.strictObject({
        revision: revisionNumber,
        /** Who is asked to open it; absent: it is placed as any other world. */
        node: v.optional(v.string()),
      }),
      handle: async ({ params: { world }, body: { force } }) => {
        const shard = firstShard(world);
        let node: string | undefined;
        const revision = await propose<Facts, Refused>(
          store,
          async () => {
            const record = await readRecord(store, "world", worldKey(world));
            // The first read waited for the newest state: what is read here is no older.
            const local = "local" as const;
            const owner = await readRecord(store, "owner", ownerKey(shard), local);
            const mirror = await readRecord(store, "mirror", mirrorKey(shard), local);
            const nodeOf = (id = "") => readRecord(store, "node", nodeKey(id), local);
            return {
              ...{ world: record, owner, mirror, generation: record.generation },
              shard: await readRecord(store, "shard", shardKey(shard), local),
              ownerNode: await nodeOf(owner.record?.node),
              mirrorNode: await nodeOf(mirror.record?.node),
              migrationModified: (await readRecord(store, "migration", migrationKey(shard), local))
                .modified,
            };
          },
          (facts) => {
            const problem = whyNot(facts, force);
            if (problem !== undefined) return problem;
            if (!hasToBeAsked(facts)) {
              node = undefined;
              return { ok: true, txn: abandonParts(shard, facts) };
            }
            const chosen = moves?.target(shard, new Map());
            if (chosen?.ok !== true)
              return refused("no-target", (chosen?.problems ?? [NO_PLACEMENT]).join("; "));
            node = chosen.node;
            return { ok: true, txn: startParts(shard, world, chosen.node, facts) };
          },
          (code, problem) => refusal(world, code, problem),
        );
        return { revision, ...(node === undefined ? {} : { node }) };
      },
    }),
  ];
}

function refused(code: Refused, problem: string) {
  return { ok: false, code, problem } as const;
}

const NO_PLACEMENT = "this apiserver does not place worlds";

function whyNot(
  facts: Facts,
  force: boolean,
): Extract<Proposal<Refused>, { ok: false }> | undefined {
  const { world, owner, ownerNode, mirror, mirrorNode, generation } = facts;
  if (world.record === undefined) return refused("no-world", "there is no such world");
  if (!isMirrored(mirror, owner, generation))
    return refused(
      "not-mirrored",
      "it has no mirror in sync, which alone would keep it from beginning again",
    );
  if (force) return undefined;
  if (isOwned(owner, ownerNode, generation))
    return refused("alive", `${owner.record?.node}, which has it, lives`);
  const { record } = mirror;
  return record !== undefined && isAlive(mirrorNode.record, record.boot)
    ? refused("alive", `its mirror on ${record.node} lives, and takes over`)
    : undefined;
}

/** A world that waits for an operator goes nowhere by itself, unless its node is back, with its files. */
function hasToBeAsked({ world, shard, owner, ownerNode, generation }: Facts): boolean {
  const wanted = shard.record?.wanted;
  const isBack =
    wanted === owner.record?.node &&
    ownerNode.record?.state === "ready" &&
    generationOf(ownerNode.modified) === generation;
  return world.record?.failover === "manual" && !isBack && !isOwned(owner, ownerNode, generation);
}

function abandonParts(shard: string, { world, owner, mirror }: Facts) {
  const { compare, then } = abandonMirror(shard, mirror);
  const name = worldKey(shard.split("/")[0] ?? "");
  return when(
    [...compare, modifiedIs(name, world.modified), modifiedIs(ownerKey(shard), owner.modified)],
    then,
  );
}

function startParts(shard: string, world: string, node: string, facts: Facts) {
  const { owner, ownerNode, migrationModified } = facts;
  const wish = wantParts(
    shard,
    { wanted: node, reason: "operator" },
    {
      world,
      worldModified: facts.world.modified,
      shardModified: facts.shard.modified,
      ownerModified: owner.modified,
      migrationModified,
      nodes: [{ node: owner.record?.node ?? "", modified: ownerNode.modified }],
    },
  );
  const { compare, then } = abandonMirror(shard, facts.mirror);
  return when([...wish.compare, ...compare], [...wish.then, ...then]);
}

function refusal(world: string, code: Refused, problem: string): ApiError {
  switch (code) {
    case "no-world":
      return noWorld(world);
    case "not-mirrored":
      return new ApiError(
        "conflict",
        `${world}: ${problem}`,
        `\`atlasnet world show ${world}\` says whether it runs. One that waits for a gameserver that is lost begins elsewhere with \`atlasnet world update ${world} --failover automatic\`.`,
      );
    case "alive":
      return new ApiError(
        "conflict",
        `${world}: ${problem}`,
        "Wait a few seconds. If it stays so, make sure that both processes are dead, and say --force: what players were told since the newest snapshot is lost.",
      );
    case "no-target":
      return new ApiError("no-target", `${world}: ${problem}`);
  }
}
