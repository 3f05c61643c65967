import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { OperatingError } from "@atlasnet/core";
import type { World } from "@atlasnet/world";
import { inOneLine } from "./in-one-line.ts";

/**
 * Finds the file of a world module: a path to a file or a package folder, or the name of an installed
 * package. @throws OperatingError that says where it was looked for.
 */
export function resolveModule(specifier: string, baseDir: string): string {
  const path = isAbsolute(specifier) ? specifier : resolve(baseDir, specifier);
  if (existsSync(path)) return statSync(path).isDirectory() ? entryOf(path) : path;
  if (!specifier.startsWith(".") && !isAbsolute(specifier)) {
    const folder = installedFolder(specifier, baseDir);
    if (folder !== undefined) return entryOf(folder);
    try {
      return createRequire(join(baseDir, "package.json")).resolve(specifier);
    } catch (cause) {
      throw notFound(specifier, `neither the path ${path} nor an installed package`, cause);
    }
  }
  throw notFound(specifier, `no such file: ${path}`, undefined);
}

function notFound(specifier: string, problem: string, cause: unknown): OperatingError {
  return new OperatingError("module-not-found", `world module "${specifier}": ${problem}`, {
    hint: "Give a path to a JavaScript file or package folder, or the name of an installed package.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The entry of a package folder: `exports["."]`, `main`, or index.js. */
function entryOf(folder: string): string {
  const manifest = join(folder, "package.json");
  const entries = ["index.js", "index.mjs", join("dist", "index.js")];
  if (existsSync(manifest)) {
    const named = entryOfManifest(readManifest(manifest));
    if (named !== undefined) entries.unshift(named);
  }
  const found = entries.map((entry) => join(folder, entry)).find((path) => existsSync(path));
  if (found === undefined)
    throw new OperatingError("module-not-found", `world module ${folder} has no entry file`, {
      hint: `Looked for ${entries.join(", ")}. Was it built?`,
    });
  return found;
}

function readManifest(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new OperatingError("bad-package", `${file} is not JSON`, {
      hint: "Repair the file, or name the module's JavaScript file itself.",
      cause,
    });
  }
}

/** The folder of an installed package, for those that can only be imported. */
function installedFolder(name: string, baseDir: string): string | undefined {
  for (let dir = resolve(baseDir); ; dir = dirname(dir)) {
    const folder = join(dir, "node_modules", name);
    if (existsSync(join(folder, "package.json"))) return folder;
    if (dirname(dir) === dir) return undefined;
  }
}

function entryOfManifest(manifest: unknown): string | undefined {
  if (typeof manifest !== "object" || manifest === null) return undefined;
  const fields: { exports?: unknown; main?: unknown } = manifest;
  return conditional(fields.exports) ?? (typeof fields.main === "string" ? fields.main : undefined);
}

function conditional(exports: unknown): string | undefined {
  if (typeof exports === "string") return exports;
  if (typeof exports !== "object" || exports === null) return undefined;
  const conditions: { "."?: unknown; import?: unknown; default?: unknown } = exports;
  for (const next of [conditions["."], conditions.import, conditions.default]) {
    const found = next === undefined ? undefined : conditional(next);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Loads a module's world. `generation` above 0 loads the file anew after it changed. */
export async function loadWorld(file: string, generation: number): Promise<World> {
  if ([".ts", ".mts", ".tsx"].includes(extname(file)))
    throw new OperatingError("module-is-typescript", `world module ${file} is TypeScript`, {
      hint: "Build it first, or run it with `atlasnet dev`.",
    });
  const url = pathToFileURL(file);
  if (generation > 0) url.searchParams.set("generation", String(generation));
  const exported: { world?: unknown; default?: unknown } = await import(url.href).catch(
    (error: unknown) => {
      throw new OperatingError(
        "module-failed",
        `world module ${file} cannot be loaded: ${inOneLine(error)}`,
        {
          hint: "A process reads a file once: a repaired one needs another name, or a restart of the gameserver.",
          cause: error,
        },
      );
    },
  );
  const world = exported.world ?? exported.default;
  if (!isWorld(world))
    throw new OperatingError("module-without-world", `world module ${file} exports no world`, {
      hint: "Add: export const world = implementWorld(definition, { … });",
    });
  return world;
}

function isWorld(value: unknown): value is World {
  return (
    typeof value === "object" && value !== null && "definition" in value && "behaviour" in value
  );
}
