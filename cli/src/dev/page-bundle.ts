import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { OperatingError } from "@atlasnet/core";
import { type BuildOptions, build } from "esbuild";
import { buildErrors, isBuildFailure } from "./build-errors.ts";

/** A page's folder: an index.html whose module scripts may be TypeScript. */
export interface PageSource {
  readonly dir: string;
  readonly workingDir: string;
}

/** What becomes JavaScript; a browser is never handed one of these. */
export const SOURCE_EXTENSIONS = new Set([".ts", ".tsx", ".mts"]);

const SCRIPT_SOURCE = /(<script\b[^>]*\bsrc=["'])([^"']+)\.(?:ts|tsx|mts)(["'])/gi;

/** The page with its TypeScript scripts named as the JavaScript they become. */
export function pageHtml(html: string): string {
  return html.replaceAll(SCRIPT_SOURCE, "$1$2.js$3");
}

/** Absolute paths of the TypeScript files that a page's scripts are. */
export async function pageEntries({ dir, workingDir }: PageSource): Promise<string[]> {
  const folder = resolve(workingDir, dir);
  const file = join(folder, "index.html");
  let html: string;
  try {
    html = await readFile(file, "utf8");
  } catch (error) {
    throw new OperatingError("no-page", `${file} cannot be read`, {
      cause: error,
      hint: "A page is a folder with an index.html; name it with --page.",
    });
  }
  const sources = [...html.matchAll(/<script\b[^>]*\bsrc=["']([^"']+)["']/gi)];
  return sources
    .map(([, source = ""]) => source)
    .filter((source) => SOURCE_EXTENSIONS.has(extname(source)))
    .map((source) => join(folder, source.replace(/^\//, "")));
}

/** Options for esbuild that dev server and build have in common. */
export function pageOptions(source: PageSource, entries: readonly string[], outDir: string) {
  return {
    absWorkingDir: source.workingDir,
    entryPoints: [...entries],
    outbase: resolve(source.workingDir, source.dir),
    outdir: outDir,
    bundle: true,
    write: false,
    platform: "browser",
    format: "esm",
    target: "es2022",
    logLevel: "silent",
  } as const satisfies BuildOptions;
}

export type PageBuild = { ok: true; outDir: string } | { ok: false; errors: readonly string[] };

/** Writes a page, its scripts bundled and everything else as it is, into a folder to be served. */
export async function bundlePage(source: PageSource, outDir: string): Promise<PageBuild> {
  const folder = resolve(source.workingDir, source.dir);
  const entries = await pageEntries(source);
  try {
    const options = pageOptions(source, entries, outDir);
    const { outputFiles } = await build({ ...options, minify: true });
    await mkdir(outDir, { recursive: true });
    await cp(folder, outDir, { recursive: true, filter: (from) => isAsset(folder, from) });
    const html = await readFile(join(folder, "index.html"), "utf8");
    await writeFile(join(outDir, "index.html"), pageHtml(html));
    for (const { path, contents } of outputFiles) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, contents);
    }
  } catch (error) {
    if (!isBuildFailure(error)) throw error;
    return { ok: false, errors: buildErrors(error.errors, source.workingDir) };
  }
  return { ok: true, outDir };
}

function isAsset(folder: string, file: string): boolean {
  const hidden = relative(folder, file) !== "" && basename(file).startsWith(".");
  return !hidden && !SOURCE_EXTENSIONS.has(extname(file));
}
