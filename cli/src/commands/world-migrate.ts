import type { ApiClient } from "@atlasnet/apiserver/client";
import { MAX_AWAY_AT_ONCE, OperatingError } from "@atlasnet/core";
import type { Command } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { parseDeadline, parseWhole } from "../api/flags.ts";
import { awaitMigration, type Begun, begunSchema, type Moved } from "../api/migrations.ts";
import { checkNode, worldPath } from "../api/names.ts";
import { addOutputOption, type OutputOptions, showNext, understood } from "../api/output.ts";
import type { CliIo } from "../cli-io.ts";
import { UsageError } from "../usage-error.ts";
import { MigrationProgress, movedText } from "./migration-progress.ts";

interface MigrateOptions extends ApiOptions, OutputOptions {
  readonly to?: string;
  readonly allFrom?: string;
  readonly atOnce?: string;
  readonly wait?: boolean;
  readonly deadline?: string;
}

const HELP = `
The world goes on while its state is copied, and stands still for a few hundredths of a second when it changes its
gameserver; players stay connected. Without --to placement chooses where it is best off. With --wait the command ends
when the world has arrived; when it stays where it was, the exit code is 1 and the reason is said. Stopping the command
stops nothing: \`atlasnet migration cancel\` does, before the switch.

--all-from empties a gameserver, some worlds at a time (--at-once, default 4), until none is left that can go; stopping
the command begins no more. New worlds may come to it meanwhile, unless it is cordoned.

Examples:
  atlasnet world migrate arena-1 --wait
  atlasnet world migrate arena-1 --to gs-2 --deadline 30s
  atlasnet node cordon gs-1 && atlasnet world migrate --all-from gs-1`;

/** `atlasnet world migrate`: worlds change their gameserver while they run. */
export function addMigrateCommand(world: Command, io: CliIo): void {
  const command = world
    .command("migrate [world]")
    .description("move a world to another gameserver while it runs")
    .option("--to <node>", "the gameserver; default: where placement finds it best off")
    .option("--all-from <node>", "instead of one world: all that this gameserver runs")
    .option("--at-once <n>", "with --all-from: so many at a time")
    .option("--wait", "until it has arrived, with its progress")
    .option("--deadline <time>", "it is given up when it takes longer; default 60s")
    .addHelpText("after", HELP);
  addOutputOption(addApiOptions(command)).action((name: string | undefined, options) =>
    withApi(io, options, (client) => migrate(io, client, name, options)),
  );
}

async function migrate(
  io: CliIo,
  client: ApiClient,
  name: string | undefined,
  options: MigrateOptions,
): Promise<void> {
  const { to, allFrom, wait = false, deadline, output } = options;
  const atOnce = parseWhole("--at-once", options.atOnce, { min: 1, max: MAX_AWAY_AT_ONCE });
  const deadlineMs = parseDeadline(deadline);
  if ((name === undefined) === (allFrom === undefined))
    throw new UsageError(
      "world migrate: a world or --all-from is needed, and not both",
      "As in `atlasnet world migrate arena-1 --to gs-2`, or `atlasnet world migrate --all-from gs-1`.",
    );
  if (allFrom !== undefined) {
    if (to !== undefined)
      throw new UsageError("--to: with --all-from placement chooses", "Leave one of them out.");
    await emptyNode(io, client, { node: allFrom, atOnce, deadlineMs, output });
    return;
  }
  if (atOnce !== undefined)
    throw new UsageError("--at-once: it is for --all-from", "Leave it out for one world.");
  const begun = understood(
    begunSchema,
    await client.request({
      method: "POST",
      path: `${worldPath(name ?? "")}/migrate`,
      body: { to: to === undefined ? undefined : checkNode("--to", to), deadlineMs },
      id: client.newId(),
    }),
  );
  await showMigration(io, client, begun, { wait, output });
}

/** Says that it has begun, or with `wait` how it comes along and how it ended. @throws OperatingError: it stays */
export async function showMigration(
  io: CliIo,
  client: ApiClient,
  begun: Begun,
  { wait, output }: OutputOptions & { readonly wait: boolean },
): Promise<void> {
  if (!wait) {
    showNext(io, output, begun, () => "");
    const [world] = begun.shard.split("/");
    io.talk(
      `${world} moves from ${begun.from} to ${begun.to}. \`atlasnet migration ls\` says how far it is.\n`,
    );
    return;
  }
  const moved = await watched(io, client, begun, new MigrationProgress(io));
  if (moved === undefined) return;
  showNext(io, output, moved, () => "");
  if (moved.outcome !== "moved") throw stayed(moved);
  io.talk(`${movedText(moved)}\n`);
}

/** How it ended; undefined when the command was stopped. @throws OperatingError when that is not known any more */
async function watched(
  io: CliIo,
  client: ApiClient,
  begun: Begun,
  progress: MigrationProgress,
): Promise<Moved | undefined> {
  let moved: Moved | undefined;
  try {
    moved = await awaitMigration(client, begun, {
      stop: io.stop,
      under: (migration) => progress.show(migration),
    });
  } finally {
    progress.end();
  }
  if (moved !== undefined) return moved;
  if (io.stop.aborted) {
    io.talk(`${begun.shard} goes on moving; \`atlasnet migration cancel\` ends that.\n`);
    return undefined;
  }
  throw new OperatingError(
    "end-unknown",
    `how the migration ${begun.id} of ${begun.shard} ended is not known any more: another one came after it`,
    { hint: "`atlasnet world show` says where it runs." },
  );
}

function stayed(moved: Moved): OperatingError {
  return new OperatingError("migration-aborted", movedText(moved), {
    hint: `\`atlasnet world show ${moved.world}\` says where it runs. It can be asked to move again.`,
  });
}

const awaySchema = v.looseObject({
  begun: v.array(begunSchema),
  underWay: v.array(v.string()),
  waiting: v.number(),
  refused: v.array(v.looseObject({ shard: v.string(), code: v.string(), message: v.string() })),
});

/** Migrations that may be aborted before no more are begun: what aborts them would do so again. */
const MAX_ABORTED = 3;

/** Asks for the next worlds whenever one has ended, until none is left that can go. */
async function emptyNode(
  io: CliIo,
  client: ApiClient,
  {
    node,
    atOnce,
    deadlineMs,
    output,
  }: { node: string; atOnce: number | undefined; deadlineMs: number | undefined } & OutputOptions,
): Promise<void> {
  const progress = new MigrationProgress(io);
  const running = new Map<string, Promise<void>>();
  const stay = new Map<string, string>();
  const faults: unknown[] = [];
  let moved = 0;
  let aborted = 0;
  const follow = async (begun: Begun): Promise<void> => {
    try {
      const end = await watched(io, client, begun, progress);
      if (end === undefined) return;
      if (end.outcome === "moved") moved += 1;
      else aborted += 1;
      showNext(io, output, end, () => "");
      io.talk(`${movedText(end)}\n`);
    } catch (error) {
      faults.push(error);
    } finally {
      running.delete(begun.shard);
    }
  };
  while (!io.stop.aborted && faults.length === 0 && aborted < MAX_ABORTED) {
    const answer = await client.request({
      method: "POST",
      path: `/v1/nodes/${checkNode("--all-from", node)}/migrate-away`,
      body: { deadlineMs, atOnce },
      id: client.newId(),
    });
    const { begun, underWay, waiting, refused } = understood(awaySchema, answer);
    progress.also(waiting === 0 ? "" : `${waiting} more wait`);
    for (const each of begun) running.set(each.shard, follow(each));
    stay.clear();
    for (const { shard, message } of refused) stay.set(shard, message);
    if (running.size === 0 && underWay.length === 0) break;
    // Those that somebody else began are looked for again after a moment.
    await (running.size === 0 ? client.pause(1_000) : Promise.race(running.values()));
  }
  await Promise.all(running.values());
  for (const message of stay.values()) io.talk(`${message}\n`);
  io.talk(`${moved} moved away from ${node}.\n`);
  const [fault] = faults;
  if (fault !== undefined) throw fault;
  if (stay.size > 0 || aborted >= MAX_ABORTED)
    throw new OperatingError("not-empty", `${node} still has worlds`, {
      hint: "`atlasnet world ls` shows them; ask again once what keeps them is mended.",
    });
}
