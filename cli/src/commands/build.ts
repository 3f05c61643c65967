import { join, resolve } from "node:path";
import { OperatingError } from "@atlasnet/core";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { bundleWorld } from "../dev/bundle.ts";
import { bundlePage } from "../dev/page-bundle.ts";
import { UsageError } from "../usage-error.ts";

interface BuildCommandOptions {
  world: readonly string[];
  page?: string;
  out: string;
}

/** `atlasnet build`: TypeScript worlds and a page as files that `atlasnet monolith` runs. */
export function addBuildCommand(program: Command, io: CliIo): void {
  program
    .command("build")
    .description("bundle TypeScript worlds and a page for `atlasnet monolith`")
    .option(
      "--world <name=file>",
      "a world; may be repeated",
      (text: string, all: readonly string[]) => [...all, text],
      [],
    )
    .option("--page <dir>", "folder with an index.html; its scripts may be TypeScript")
    .option("--out <dir>", "folder for what is built: NAME.mjs and page/", "build")
    .action(async ({ world, page, out }: BuildCommandOptions) => {
      if (world.length === 0 && page === undefined)
        throw new UsageError("nothing to build", "Name a --world name=file or a --page folder.");
      const { workingDir } = io;
      const outDir = resolve(workingDir, out);
      for (const text of world) {
        const { name, file } = worldOf(text);
        const built = await bundleWorld({ entry: file, workingDir }, join(outDir, `${name}.mjs`));
        if (!built.ok) throw buildError(`world ${name}`, built.errors);
        io.out(`${built.file}\n`);
      }
      if (page === undefined) return;
      const built = await bundlePage({ dir: page, workingDir }, join(outDir, "page"));
      if (!built.ok) throw buildError(`page ${page}`, built.errors);
      io.out(`${built.outDir}\n`);
    });
}

function worldOf(text: string): { name: string; file: string } {
  const [, name, file] = /^([A-Za-z][A-Za-z0-9_-]{0,63})=(.+)$/.exec(text) ?? [];
  if (name === undefined || file === undefined)
    throw new UsageError(`--world: found "${text}", allowed: name=file, as in arena=src/world.ts`);
  return { name, file };
}

function buildError(what: string, errors: readonly string[]): OperatingError {
  return new OperatingError("build-failed", `${what} cannot be built\n\n${errors.join("\n\n")}\n`);
}
