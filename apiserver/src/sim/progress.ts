import {
  decodeRecord,
  firstShard,
  nodeKey,
  ownerKey,
  parseRecordKey,
  shardKey,
} from "@atlasnet/core";
import type { SimApiserver } from "./apiserver.ts";
import type { History } from "./checkers/history.ts";
import type { SimGameserver } from "./gameserver.ts";
import type { Watcher } from "./watcher.ts";

/** What is not (yet) as it should be when nothing is in the way any more; undefined: all is well. */
export function whatIsMissing(parts: {
  readonly apiservers: readonly SimApiserver[];
  readonly gameservers: readonly SimGameserver[];
  readonly watchers: readonly Watcher[];
  readonly history: History;
}): string | undefined {
  return (
    missingInGroup(parts.apiservers) ??
    missingNodes(parts.gameservers, parts.history) ??
    missingWorlds(parts.history) ??
    missingEnds(parts.history) ??
    parts.watchers
      .map(({ book, isReady }) => (isReady ? book.missing : "a watcher has not read yet"))
      .find((what) => what !== undefined)
  );
}

function missingInGroup(apiservers: readonly SimApiserver[]): string | undefined {
  const all = apiservers.map(({ runner, host }) => ({ id: host.id, status: runner.status }));
  const leaders = all.filter(({ status }) => status.role === "leader");
  const [leader] = leaders;
  if (leader === undefined || leaders.length > 1)
    return `leaders: ${leaders.map(({ id }) => id).join() || "none"}`;
  const { voters, learners } = leader.status.members;
  for (const id of [...voters, ...learners]) {
    const status = all.find((other) => other.id === id)?.status;
    if (status?.applied !== leader.status.lastIndex)
      return `${id} has applied ${status?.applied} of ${leader.status.lastIndex} entries`;
  }
  return undefined;
}

function missingNodes(gameservers: readonly SimGameserver[], history: History): string | undefined {
  for (const { id, bootName } of gameservers) {
    const item = history.item(nodeKey(id));
    const decoded = item && decodeRecord("node", item.value);
    if (!decoded?.ok) return `${id} is not registered`;
    const { state, boot } = decoded.record;
    if (state !== "ready" || boot !== bootName)
      return `${id} is ${state} (${boot}, now ${bootName})`;
  }
  return undefined;
}

function missingWorlds(history: History): string | undefined {
  for (const key of history.keys("worlds/")) {
    const name = key.slice("worlds/".length);
    const item = history.item(key);
    const world = item && decodeRecord("world", item.value);
    const isWanted = world?.ok === true && world.record.enabled;
    const wanted = record("shard", history, shardKey(firstShard(name)))?.wanted;
    const owner = record("owner", history, ownerKey(firstShard(name)));
    const node = owner && record("node", history, nodeKey(owner.node));
    const isOwned = owner?.state === "owned" && node?.boot === owner.boot && node.state === "ready";
    if (isOwned !== isWanted)
      return `${name} is ${isWanted ? "enabled and not owned" : "disabled and owned"}: wanted at ${wanted}, ${owner?.state} by ${owner?.node}`;
    if (isOwned && wanted !== owner.node)
      return `${name} is owned by ${owner.node} and wanted at ${wanted}`;
  }
  return undefined;
}

function missingEnds(history: History): string | undefined {
  for (const key of history.keys("shards/"))
    if (parseRecordKey(key)?.kind === "migration" && history.item(key) !== undefined)
      return `${key} is still there`;
  return undefined;
}

function record<K extends "shard" | "owner" | "node">(kind: K, history: History, key: string) {
  const item = history.item(key);
  const decoded = item && decodeRecord(kind, item.value);
  return decoded?.ok === true ? decoded.record : undefined;
}
