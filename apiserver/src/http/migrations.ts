import { createHash } from "node:crypto";
import {
  beginMigration,
  type Clock,
  type Compare,
  type ControlStore,
  clipText,
  isOwned,
  MAX_ASKER_BYTES,
  type MigrationView,
  type ModuleSource,
  migrationKey,
  modifiedIs,
  movedKey,
  nodeKey,
  ownerKey,
  type Random,
  type Refusal,
  type Seen,
  shardKey,
  type TxnParts,
  updateWorld,
  type WorldRecord,
  worldAfterMove,
  worldKey,
  worldOfShard,
} from "@atlasnet/core";
import type { PlannedWeights } from "../leader/move-advice.ts";
import { misfit } from "./explain-placement.ts";
import { type MigrationRefusalCode, migrationRefused, tooMany } from "./migration-refusal.ts";
import type { MovePort } from "./ports.ts";
import { propose, readRecord } from "./record-access.ts";
import type { AskedModule } from "./record-schemas.ts";
import type { Call } from "./route.ts";
import { askedModule } from "./world-changes.ts";

/** Migrations that operators ask for. */

/** How long one may take when nobody says; a copy of 1 GiB at 20 MiB/s takes as long. */
export const DEFAULT_MIGRATION_MS = 60_000;

export interface Migrations {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly moves: MovePort | undefined;
}

export interface AskedMigration {
  readonly shard: string;
  /** Absent: placement chooses. */
  readonly to?: string | undefined;
  /** What it is to run there; absent: what its world names. */
  readonly module?: AskedModule | undefined;
  readonly deadlineMs: number;
  /** Who asks, for people. */
  readonly by: string;
  /** The same for every retry of this very request; absent: there is none. */
  readonly request: string | undefined;
  /** Weights that nodes are to get beside what placement sees. */
  readonly planned?: PlannedWeights;
}

/** A migration that has begun, or that an earlier try of the same request began. */
export interface BegunMigration {
  readonly revision: number;
  readonly shard: string;
  readonly id: string;
  readonly from: string;
  readonly to: string;
}

/** Nobody runs it: its world's record names the module now, and nothing has to move. */
export interface RecordedModule {
  readonly revision: number;
  readonly shard: string;
}

/** Who asks, as records and errors name whoever it is. */
export function askerOf({ caller }: Call): string {
  return caller === undefined ? "an operator" : `operator ${caller.name}`;
}

type Judged =
  | { readonly kind: "begun"; readonly begun: BegunMigration }
  | {
      readonly kind: "view";
      readonly to: string;
      readonly view: MigrationView;
      readonly generation: number;
      readonly module: ModuleSource | undefined;
      /** What has to hold besides. */
      readonly compare: readonly Compare[];
    }
  | { readonly kind: "record"; readonly txn: TxnParts }
  | { readonly kind: "refused"; readonly refusal: Refusal<"no-target"> };

/** Asks for a shard to be moved while it runs, with the module that it has. @throws ApiError, ControlError */
export async function migrate(
  parts: Migrations,
  asked: Omit<AskedMigration, "module">,
): Promise<BegunMigration> {
  const done = await ask(parts, asked);
  if (!("id" in done)) throw new Error("only what brings a module may change a record alone");
  return done;
}

/** Asks for a shard to run another module: by a move if it runs, else from its next opening on. @throws ApiError, ControlError */
export function upgrade(
  parts: Migrations,
  asked: AskedMigration & { readonly module: AskedModule },
): Promise<BegunMigration | RecordedModule> {
  return ask(parts, asked);
}

async function ask(
  parts: Migrations,
  asked: AskedMigration,
): Promise<BegunMigration | RecordedModule> {
  const { store, clock } = parts;
  const { shard, deadlineMs } = asked;
  const id = migrationId(asked, parts);
  let judged: Judged | undefined;
  const revision = await propose<Judged, MigrationRefusalCode>(
    store,
    async () => {
      judged = await judge(parts, asked, id);
      return judged;
    },
    (before) => {
      if (before.kind === "refused") return before.refusal;
      if (before.kind === "begun") return { ok: true, txn: { compare: [], then: [] } };
      if (before.kind === "record") return { ok: true, txn: before.txn };
      const { to, view, generation, module, compare } = before;
      const by = clipText(asked.by, MAX_ASKER_BYTES);
      const started = clock.wallTime();
      const reason = module === undefined ? "operator" : "upgraded";
      const wish = { id, to, reason, by, module, started, deadlineMs } as const;
      const made = beginMigration(shard, view, wish, generation);
      if (!made.ok) return made;
      return { ok: true, txn: { ...made.txn, compare: [...made.txn.compare, ...compare] } };
    },
    (code, problem) =>
      migrationRefused(
        asked,
        code,
        problem,
        judged?.kind === "view" ? judged.view.migration.record : undefined,
      ),
  );
  if (judged?.kind === "begun") return judged.begun;
  if (judged?.kind === "record") return { revision, shard };
  if (judged?.kind !== "view") throw new Error("a refusal is thrown");
  return { revision, shard, id, from: judged.view.owner.record?.node ?? "", to: judged.to };
}

/** What is there, and where it is to go. */
async function judge(
  { store, moves }: Migrations,
  { shard, to: named, module: asked, planned = new Map() }: AskedMigration,
  id: string,
): Promise<Judged> {
  const { module, compare } =
    asked === undefined ? { module: undefined, compare: [] } : await askedModule(store, asked);
  const world = await readRecord(store, "world", worldKey(worldOfShard(shard) ?? ""));
  // The first read waited for the newest state: what is read here is no older.
  const local = "local" as const;
  const owner = await readRecord(store, "owner", ownerKey(shard), local);
  const migration = await readRecord(store, "migration", migrationKey(shard), local);
  const moved = await readRecord(store, "moved", movedKey(shard), local);
  for (const { record, modified } of [migration, moved])
    if (record?.id === id) {
      const { from, to } = record;
      return { kind: "begun", begun: { revision: modified, shard, id, from, to } };
    }
  const wish = await readRecord(store, "shard", shardKey(shard), local);
  const holder = owner.record?.node ?? "";
  const ownerNode = await readRecord(store, "node", nodeKey(holder), local);
  const view = { world, shard: wish, owner, ownerNode, migration };
  const nowhere = (problem: string): Judged => ({
    kind: "refused",
    refusal: { ok: false, code: "no-target", problem },
  });
  let to = named ?? "";
  // What beginMigration refuses for other reasons is not judged by where it is to go.
  const isMovable =
    world.record?.enabled === true &&
    migration.record === undefined &&
    isOwned(owner, ownerNode, world.generation);
  const crowded = isMovable ? moves?.crowded() : undefined;
  if (crowded !== undefined) throw tooMany(shard, crowded);
  const { record: before } = world;
  if (module !== undefined && before !== undefined && !isMovable && migration.record === undefined)
    return {
      kind: "record",
      txn: recorded(shard, { ...view, world: { ...world, record: before } }, module, compare),
    };
  if (named === undefined && isMovable) {
    const chosen = moves?.target(shard, planned, module);
    if (chosen === undefined)
      return nowhere("this apiserver does not place worlds: say where it is to go");
    if (!chosen.ok) return nowhere(chosen.problems.join("; "));
    to = chosen.node;
  }
  const target = await readRecord(store, "node", nodeKey(to), local);
  const fits = isMovable && target.record?.role === "gameserver" && to !== holder;
  if (fits && world.record !== undefined) {
    const problem = misfit(worldAfterMove(world.record, { module }), to, target.record);
    if (problem !== undefined) return nowhere(`${to} cannot take it: ${problem}`);
    const full = moves?.refusal(shard, to, planned, module);
    if (full !== undefined) return nowhere(`${to} ${full}`);
  }
  const { generation } = world;
  return { kind: "view", to, view: { ...view, target }, generation, module, compare };
}

/** The module alone, for as long as nobody owns the shard, and none is on its way there. */
function recorded(
  shard: string,
  {
    world,
    owner,
    migration,
  }: Pick<MigrationView, "owner" | "migration"> & {
    readonly world: Seen<WorldRecord> & { readonly record: WorldRecord };
  },
  module: ModuleSource,
  compare: readonly Compare[],
): TxnParts {
  const made = updateWorld(worldOfShard(shard) ?? "", world, { ...world.record, module });
  if (!made.ok) throw new Error(made.problem);
  const { txn } = made;
  const assumed = [
    modifiedIs(ownerKey(shard), owner.modified),
    modifiedIs(migrationKey(shard), migration.modified),
  ];
  return { ...txn, compare: [...txn.compare, ...assumed, ...compare] };
}

/** 16 hexadecimal digits: by chance, or those of every retry of the request. */
function migrationId({ request, shard }: AskedMigration, { random }: Migrations): string {
  const bytes =
    request === undefined
      ? random.bytes(8)
      : createHash("sha256").update(`${request} ${shard}`).digest().subarray(0, 8);
  return Buffer.from(bytes).toString("hex");
}
