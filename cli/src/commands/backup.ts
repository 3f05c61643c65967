import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { OperatingError } from "@atlasnet/core";
import type { Command } from "commander";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { changedSchema } from "../api/items.ts";
import { understood } from "../api/output.ts";
import type { CliIo } from "../cli-io.ts";
import { UsageError } from "../usage-error.ts";

interface RestoreOptions extends ApiOptions {
  readonly yes?: boolean;
}

/** `atlasnet backup` and `atlasnet restore`: the control state as a file. */
export function addBackupCommands(program: Command, io: CliIo): void {
  addApiOptions(
    program
      .command("backup <file>")
      .description("save the control state of a cluster to a new file"),
  ).action((name: string, options: ApiOptions) =>
    withApi(io, options, async (client) => {
      const file = resolve(io.workingDir, name);
      if (await exists(file)) throw new UsageError(`backup: there is a file ${file} already`);
      const bytes = await client.download({ method: "GET", path: "/v1/backup" });
      // Whole or not at all: half a backup must not look like one.
      const draft = `${file}.part`;
      try {
        await pipeline(bytes, createWriteStream(draft, { mode: 0o600 }));
        await rename(draft, file);
      } catch (cause) {
        await rm(draft, { force: true });
        throw new OperatingError("no-backup", `the backup did not become a file: ${file}`, {
          cause,
          hint: "Look at the disk and at the apiserver, and try again.",
        });
      }
      const { size } = await stat(file);
      io.talk(`Saved the control state, ${size} bytes. It holds secrets: keep it as such.\n`);
    }),
  );

  addApiOptions(
    program
      .command("restore <file>")
      .description("replace the control state of a cluster by a backup")
      .option("--yes", "really: what was changed since the backup is lost"),
  ).action((name: string, options: RestoreOptions) =>
    withApi(io, options, async (client) => {
      const file = resolve(io.workingDir, name);
      if (!(await exists(file))) throw new UsageError(`restore: there is no file ${file}`);
      if (options.yes !== true)
        throw new UsageError(
          "restore: what was changed since the backup would be lost, and every node registers anew",
          "Say --yes if that is what you want.",
        );
      const body = () => createReadStream(file);
      const answer = await client.request({ method: "POST", path: "/v1/restore", body });
      const { revision } = understood(changedSchema, answer);
      io.talk(`Restored the control state; it is at revision ${revision} now.\n`);
    }),
  );
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
