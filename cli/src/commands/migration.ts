import type { Command } from "commander";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import {
  type Migration,
  type Moved,
  migrationPath,
  migrationSchema,
  movedSchema,
  shownMigration,
} from "../api/migrations.ts";
import { checkWorld } from "../api/names.ts";
import { addOutputOption, type OutputOptions, show } from "../api/output.ts";
import { allPages } from "../api/pages.ts";
import { tableText } from "../api/table.ts";
import type { CliIo } from "../cli-io.ts";
import { phaseText } from "./migration-progress.ts";

interface ListOptions extends ApiOptions, OutputOptions {
  readonly ended?: boolean;
}

const HELP = `
\`atlasnet world migrate\` begins one; drained gameservers and the balance of load do so by themselves.`;

/** `atlasnet migration`: worlds that are on their way. */
export function addMigrationCommand(program: Command, io: CliIo): void {
  const migration = program
    .command("migration")
    .description("worlds that change their gameserver while they run")
    .addHelpText("after", HELP);
  const sub = (usage: string, description: string) =>
    addApiOptions(migration.command(usage).description(description));

  addOutputOption(
    sub("ls", "list those under way, and how far they are").option(
      "--ended",
      "instead: how each world's last one ended",
    ),
  ).action((options: ListOptions) =>
    withApi(io, options, async (client) => {
      const path = "/v1/migrations";
      if (options.ended === true) {
        const query = { ended: "true" };
        const page = { field: "moved", item: movedSchema, query };
        const ended = await allPages(client, path, page);
        show(io, options.output, ended, () => endedTable(io, ended));
      } else {
        const page = { field: "migrations", item: migrationSchema };
        const underWay = await allPages(client, path, page);
        show(io, options.output, underWay, () => table(io, underWay));
      }
    }),
  );

  sub(
    "cancel <world>",
    "end the one of a world before it has switched: it stays where it is",
  ).action((name: string, options: ApiOptions) =>
    withApi(io, options, async (client) => {
      const shard = `${checkWorld("<world>", name)}/0`;
      // The one that is under way now, and not one that comes after it.
      const { migration: found } = await shownMigration(client, shard);
      const query = found === undefined ? {} : { id: found.id };
      const path = migrationPath(shard);
      await client.request({ method: "DELETE", path, query, id: client.newId() });
      io.talk(`Cancelled: ${name} stays on ${found?.from ?? "its gameserver"}.\n`);
    }),
  );
}

function table(io: CliIo, migrations: readonly Migration[]): string {
  if (migrations.length === 0) {
    io.talk("No world is on its way.\n");
    return "";
  }
  return tableText(
    ["WORLD", "FROM", "TO", "REASON", "BY", "SINCE", "PROGRESS"],
    migrations.map((each) => [
      each.world,
      each.from,
      each.to,
      each.reason,
      each.by ?? "-",
      each.started,
      phaseText(each),
    ]),
  );
}

function endedTable(io: CliIo, ended: readonly Moved[]): string {
  if (ended.length === 0) {
    io.talk("No world has moved yet.\n");
    return "";
  }
  return tableText(
    ["WORLD", "FROM", "TO", "REASON", "ENDED", "GAP", "OUTCOME"],
    ended.map(({ world, from, to, reason, ended: at, gapMs, outcome, problem, by }) => [
      world,
      from,
      to,
      reason,
      at,
      gapMs === undefined ? "-" : `${gapMs} ms`,
      outcome === "moved" ? "moved" : `${outcome} by ${by}: ${problem}`,
    ]),
  );
}
