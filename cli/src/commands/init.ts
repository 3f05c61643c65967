import { OperatingError } from "@atlasnet/core";
import type { Command } from "commander";
import { CreateError, createdText, createGame } from "create-atlasnet";
import type { CliIo } from "../cli-io.ts";

/** `atlasnet init DIR`: the same as `npm create atlasnet DIR`. */
export function addInitCommand(program: Command, io: CliIo): void {
  program
    .command("init")
    .description("make a new game in a folder: a world, a page, a test, a Dockerfile")
    .argument("<dir>", "a folder that is not there yet, or is empty")
    .action(async (dir: string) => {
      try {
        io.out(createdText(await createGame({ dir, workingDir: io.workingDir })));
      } catch (error) {
        if (!(error instanceof CreateError)) throw error;
        const { code, message, hint, cause } = error;
        throw new OperatingError(code, message, { hint, cause });
      }
    });
}
