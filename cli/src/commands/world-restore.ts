import type { Command } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { worldPath } from "../api/names.ts";
import { understood } from "../api/output.ts";
import type { CliIo } from "../cli-io.ts";
import { UsageError } from "../usage-error.ts";

interface RestoreOptions extends ApiOptions {
  readonly yes?: boolean;
  readonly force?: boolean;
}

const HELP = `
For a world with durability mirror whose gameserver and mirror were lost together, with failover manual: \`world show\`
says that it waits. Make sure that both processes are dead, and not only cut off: they might go on playing with each other.
The world then begins again from its newest snapshot, or from the files of its own node when that is back; players hear of a
rollback. Nothing is done while its gameserver or its mirror is known to live, unless with --force.`;

/** `atlasnet world restore-from-snapshot`: gives up what a lost mirror had. */
export function addRestoreCommand(world: Command, io: CliIo): void {
  const command = world
    .command("restore-from-snapshot <world>")
    .description("begin a mirrored world again whose gameserver and mirror are both lost")
    .option("--yes", "really: what players were told since the newest snapshot is lost")
    .option("--force", "also while its gameserver or its mirror seems to live")
    .addHelpText("after", HELP);
  addApiOptions(command).action((name: string, options: RestoreOptions) =>
    withApi(io, options, async (client) => {
      if (options.yes !== true)
        throw new UsageError(
          `world restore-from-snapshot: what players of ${name} were told since its newest snapshot is lost`,
          "Try to bring back one of its two nodes first. If it has to be, say --yes.",
        );
      const path = `${worldPath(name)}/restore-from-snapshot`;
      const body = { force: options.force === true };
      const answer = await client.request({ method: "POST", path, body, id: client.newId() });
      const { node } = understood(answerSchema, answer);
      io.talk(
        `Gave up the mirror of ${name}. ${node === undefined ? "It is opened where its files are, or where there is room" : `${node} is asked to open it`}; \`atlasnet world show ${name}\` says how it goes.\n`,
      );
    }),
  );
}

const answerSchema = v.looseObject({ node: v.optional(v.string()) });
