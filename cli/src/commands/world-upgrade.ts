import type { Command } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { moduleOf, parseDeadline } from "../api/flags.ts";
import { begunSchema } from "../api/migrations.ts";
import { checkNode, worldPath } from "../api/names.ts";
import { addOutputOption, type OutputOptions, showNext, understood } from "../api/output.ts";
import type { CliIo } from "../cli-io.ts";
import { showMigration } from "./world-migrate.ts";

interface UpgradeOptions extends ApiOptions, OutputOptions {
  readonly module: string;
  readonly to?: string;
  readonly wait?: boolean;
  readonly deadline?: string;
}

const HELP = `
A running world comes to another module by a move to another gameserver, which has that module: the world ticks on while
its state is copied; the new module is tried there with the state, on a copy of it; then it goes on with the very next
tick, with its players. Whatever is wrong with the module shows before the switch: the world stays as it is, and where.
Players whose client was built with another definition than the new module has are told so (schema-mismatch).

With one gameserver there is nowhere to go: \`atlasnet world update WORLD --module …\` closes the world and opens it again
with the module. A world that does not run has its record changed, no more.

Examples:
  atlasnet module push ./arena && atlasnet world upgrade arena-1 --module arena@1.1.0 --wait
  atlasnet world upgrade arena-1 --module ./worlds/arena.js --to gs-2`;

/** What is asked for has begun, or of a world that does not run the record was changed: there is no `id` then. */
const answerSchema = v.looseObject({
  ...v.partial(begunSchema).entries,
  shard: v.string(),
});

/** `atlasnet world upgrade`: a world comes to another module while it runs. */
export function addUpgradeCommand(world: Command, io: CliIo): void {
  const command = world
    .command("upgrade <world>")
    .description("have a world run another module, by a move to another gameserver while it runs")
    .requiredOption(
      "--module <module>",
      "NAME@VERSION of the artifact store, or a path as gameservers have it",
    )
    .option("--to <node>", "the gameserver; default: where placement finds it best off")
    .option("--wait", "until it has arrived, with its progress")
    .option("--deadline <time>", "it is given up when it takes longer; default 60s")
    .addHelpText("after", HELP);
  addOutputOption(addApiOptions(command)).action((name: string, options: UpgradeOptions) =>
    withApi(io, options, async (client) => {
      const { module, to, wait = false, deadline, output } = options;
      const deadlineMs = parseDeadline(deadline);
      const answer = await client.request({
        method: "POST",
        path: `${worldPath(name)}/migrate`,
        body: {
          module: moduleOf(module),
          to: to === undefined ? undefined : checkNode("--to", to),
          deadlineMs,
        },
        id: client.newId(),
      });
      const done = understood(answerSchema, answer);
      const begun = v.safeParse(begunSchema, done);
      if (begun.success) return showMigration(io, client, begun.output, { wait, output });
      showNext(io, output, done, () => "");
      io.talk(`${name} does not run at present: it is opened with ${module} when it does.\n`);
    }),
  );
}
