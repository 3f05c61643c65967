import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type BuildOptions, type BuildResult, build, context } from "esbuild";
import { buildErrors, isBuildFailure } from "./build-errors.ts";

/** What a build came to: a file to load, or errors for people with file, line and column. */
export type WorldBuild =
  | { ok: true; file: string; warnings: readonly string[] }
  | { ok: false; errors: readonly string[] };

export interface WorldEntry {
  /** The TypeScript (or JavaScript) file that exports `world`. */
  readonly entry: string;
  readonly workingDir: string;
}

/**
 * A world as one ES module for Node, its own files in it. Packages stay outside and are imported from where
 * the file lies, so `outFile` belongs into the project: that way the world and the server share one copy
 * of `@atlasnet/world`.
 */
export async function bundleWorld(
  { entry, workingDir }: WorldEntry,
  outFile: string,
): Promise<WorldBuild> {
  try {
    const result = await build(worldOptions(entry, workingDir, outFile));
    return await written(result, outFile, workingDir);
  } catch (error) {
    if (!isBuildFailure(error)) throw error;
    return { ok: false, errors: buildErrors(error.errors, workingDir) };
  }
}

export interface WatchedWorld {
  /** Ends the watching; the last file stays. */
  stop(): Promise<void>;
}

/** Files of earlier builds that stay: a thread may still be loading the one before the newest. */
const KEPT_BUILDS = 2;

/** A changed file is read so long after it was seen to change: whoever saves it may empty it first. */
const SETTLE_MS = 50;

/**
 * Bundles a world now and after every change of a file it is made of. Each build has a file of its own,
 * because Node never loads the same file twice. `onBuild` is called in order, one at a time.
 */
export async function watchWorld(
  { entry, workingDir }: WorldEntry,
  outDir: string,
  onBuild: (build: WorldBuild) => void,
): Promise<WatchedWorld> {
  const name = basename(entry).replace(/\.[^.]+$/, "");
  const files: string[] = [];
  let count = 0;
  let last: Promise<void> = Promise.resolve();
  const take = async (result: BuildResult) => {
    count += 1;
    // The process id keeps apart the files of two runs in one folder.
    const outFile = join(outDir, `${name}.${process.pid}.${count}.mjs`);
    const made = await written(result, outFile, workingDir).catch(
      (error: unknown): WorldBuild => ({
        ok: false,
        errors: [`${outFile}: ${error instanceof Error ? error.message : String(error)}`],
      }),
    );
    onBuild(made);
    if (made.ok) files.push(made.file);
    for (const old of files.splice(0, Math.max(0, files.length - KEPT_BUILDS)))
      await rm(old, { force: true });
  };
  const watcher = await context({
    ...worldOptions(entry, workingDir, join(outDir, `${name}.mjs`)),
    plugins: [
      {
        name: "atlasnet-world",
        setup(plugin) {
          plugin.onEnd(async (result) => {
            last = last.then(() => take(result));
            await last;
          });
        },
      },
    ],
  });
  await watcher.watch({ delay: SETTLE_MS });
  return {
    async stop() {
      await watcher.dispose();
      await last;
    },
  };
}

function worldOptions(entry: string, workingDir: string, outFile: string) {
  return {
    absWorkingDir: workingDir,
    entryPoints: [resolve(workingDir, entry)],
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    sourcemap: "inline",
    // Stack traces name functions as they were written.
    keepNames: true,
    logLevel: "silent",
    // The source map names sources as seen from here.
    outfile: outFile,
  } as const satisfies BuildOptions;
}

async function written(
  result: BuildResult,
  outFile: string,
  workingDir: string,
): Promise<WorldBuild> {
  const bundle = result.outputFiles?.[0];
  if (result.errors.length > 0 || bundle === undefined)
    return { ok: false, errors: buildErrors(result.errors, workingDir) };
  await mkdir(dirname(outFile), { recursive: true });
  await writeFile(outFile, bundle.contents);
  return { ok: true, file: outFile, warnings: buildErrors(result.warnings, workingDir) };
}
