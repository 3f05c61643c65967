import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  beginMigration,
  firstShard,
  InProcessNetwork,
  type LinkMessage,
  type MigrationRecord,
  migrationKey,
  movedKey,
  nodeKey,
  type WorldRecord,
  worldKey,
} from "@atlasnet/core";
import { claimView, TinyStore } from "@atlasnet/core/testing";
import { openSnapshotStore } from "../snapshots/snapshot-store.ts";
import { type Counted, CountingNode, until } from "./counting-node.ts";

export const SHARD = firstShard("arena");

type Hears = (message: LinkMessage) => LinkMessage | undefined;

export interface TwoNodesOptions {
  /** Text of modules beside the one that counts, by file. */
  readonly modules?: { readonly [file: string]: string };
  /** What the world runs at first. */
  readonly module?: string;
  /** The rest of the world's record, where it is not the usual one. */
  readonly record?: Partial<WorldRecord>;
}

/**
 * Two gameservers in this process; the world `arena` counts on the first, `g`. Nobody but the test asks for moves.
 * `hears`: what each takes for what came from the other; undefined: the link ends there.
 */
export async function twoNodes(
  t: TestContext,
  hears: Hears = (message) => message,
  { modules = {}, module: path = "./counter.mjs", record = {} }: TwoNodesOptions = {},
) {
  const dir = mkdtempSync(join(tmpdir(), "atlasnet-migration-"));
  const tiny = new TinyStore();
  // Revisions are above 2^40, as after a restore.
  tiny.restore(tiny.backup());
  const storeOf = openSnapshotStore(join(dir, "store"), {});
  const network = new InProcessNetwork({ verify: true });
  const make = (node: string) => new CountingNode({ node, dir, tiny, storeOf, network, hears });
  const g = make("g");
  const h = make("h");
  t.after(async () => {
    await Promise.all([g.stop(), h.stop()]);
    rmSync(dir, { recursive: true, force: true });
  });
  for (const [file, text] of Object.entries(modules))
    writeFileSync(join(dir, "worlds", file), text);
  await Promise.all([g.start(), h.start()]);
  await until(() => [g, h].every(({ control }) => control.states.includes("ready")));
  g.control.createWorld("arena", { ...record, module: { source: "node", path } }, "g");
  const migration = () => tiny.seen("migration", migrationKey(SHARD));
  const moved = () => tiny.seen("moved", movedKey(SHARD)).record;
  const owner = () => g.control.owner("arena");
  const world = () => tiny.seen("world", worldKey("arena"));
  let ids = 0;
  const move = (to: string, fields: Partial<MigrationRecord> = {}, name = "arena") => {
    const shard = firstShard(name);
    const record = tiny.seen("migration", migrationKey(shard));
    const view = { ...claimView(tiny, name, to), migration: record };
    const id = String(++ids).padStart(16, "0");
    const started = Date.now();
    const wish = { id, to, reason: "operator", started, deadlineMs: 30_000 } as const;
    const target = tiny.seen("node", nodeKey(to));
    const made = beginMigration(
      shard,
      { ...view, target },
      { ...wish, ...fields },
      tiny.generation,
    );
    assert.ok(made.ok, JSON.stringify(made));
    assert.ok(tiny.txn(made.txn).succeeded);
    return id;
  };
  return { g, h, tiny, move, migration, moved, owner, world };
}

export const last = (counts: readonly number[]) => counts.at(-1) ?? 0;

/** Of consecutive numbers, from the first one on. */
export const inOrder = (numbers: readonly number[]) =>
  numbers.every((number, at) => number === (numbers[0] ?? 0) + at);

/**
 * A player who came again and again, as it was told: nothing is missing or said twice, and what an owner of before
 * still said after that is what the next one says, too. The last visit is to have counted on for a while.
 */
export function oneStory(...visits: readonly Counted[]): boolean {
  const counts = visits.flatMap((visit) => visit.counts);
  const seqs = visits.flatMap((visit) => visit.seqs);
  const told = new Map(seqs.map((seq, at) => [seq, counts[at]]));
  const late = visits.flatMap((visit) => visit.late);
  return (
    inOrder(counts) && inOrder(seqs) && late.every(({ seq, count }) => told.get(seq) === count)
  );
}
