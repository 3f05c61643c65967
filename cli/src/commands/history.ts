import { resolve } from "node:path";
import { describeError, OperatingError } from "@atlasnet/core";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { assertUnbroken } from "../history-verdict.ts";
import { UsageError } from "../usage-error.ts";

const NOTES = `
Exit code 1 when a rule was broken, 2 when a file is no history. Files of one load belong together, but each client
is in one file only, so they may be checked one by one as well.`;

/** `atlasnet history`: what clients recorded, held against what was promised to them. */
export function addHistoryCommand(program: Command, io: CliIo): void {
  const history = program
    .command("history")
    .description("check histories that clients recorded: every message once and in order");
  history
    .command("check")
    .description("check recorded files, as of atlasnet loadgen --history")
    .argument("<file...>", "files, a record a line")
    .option("--json", "print the verdict as JSON")
    .addHelpText("after", NOTES)
    .action((files: string[], options: { json?: boolean }) => check(files, options, io));
  history
    .command("world")
    .description("print the file of the world that --check of loadgen needs, for --world NAME=FILE")
    .action(async () => {
      const { CHECKER_WORLD_FILE } = await import("@atlasnet/history/node");
      io.out(`${CHECKER_WORLD_FILE}\n`);
    });
}

async function check(
  files: readonly string[],
  { json = false }: { json?: boolean },
  io: CliIo,
): Promise<void> {
  const { HistoryChecker, HistoryFormatError, verdictTable } = await import("@atlasnet/history");
  const { readHistory } = await import("@atlasnet/history/node");
  const checker = new HistoryChecker();
  for (const file of files) {
    const path = resolve(io.workingDir, file);
    try {
      for await (const record of readHistory(path)) checker.take(record);
    } catch (error) {
      if (error instanceof HistoryFormatError) throw new UsageError(error.message);
      throw new OperatingError("cannot-read", `${path}: ${describeError(error)}`, { cause: error });
    }
  }
  const verdict = checker.finish();
  io.out(json ? `${JSON.stringify(verdict, undefined, 2)}\n` : `${verdictTable(verdict)}\n`);
  assertUnbroken(verdict);
}
