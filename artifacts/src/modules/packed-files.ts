import { constants, type Dirent } from "node:fs";
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { badModule } from "../bad-module.ts";
import { MAX_MODULE_FILES } from "./module-limits.ts";
import { MAX_PATH_DEPTH, pathProblem } from "./module-path.ts";

/** Always in it, as npm has it. */
const ALWAYS = /^(?:package\.json|readme(?:\..*)?|licen[cs]e(?:\..*)?|notice(?:\..*)?)$/i;
/** Never in it: what tools leave behind, and what may be secret. */
const NEVER = /^(?:\..*|node_modules|.*\.tsbuildinfo|.*\.tgz)$/i;

/**
 * The paths of a module's folder that belong into its tarball, sorted: those that `files` of its package.json
 * names (files, folders, `*` and `**`, `!` before what is left out), or everything; but no names that begin with
 * a dot, and of node_modules only the bundled packages.
 * @throws ArtifactError "bad-module"; errors of the file system as they are.
 */
export async function packedFiles(
  dir: string,
  manifest: { readonly files?: readonly string[]; readonly bundled: readonly string[] },
): Promise<readonly string[]> {
  const rules = manifest.files?.map(ruleOf);
  const found: string[] = [];
  const take = (path: string) => {
    const problem = pathProblem(path);
    if (problem !== undefined) throw badModule(problem, { path });
    found.push(path);
    if (found.length > MAX_MODULE_FILES)
      throw badModule(`more than ${MAX_MODULE_FILES} files are in ${dir}`, {
        hint: 'Name what belongs to the module under "files" in its package.json.',
      });
  };
  for await (const path of walk(dir, "", 0)) if (isPacked(path, rules)) take(path);
  for (const name of manifest.bundled) {
    const folder = `node_modules/${name}`;
    if (pathProblem(folder) !== undefined || !(await exists(join(dir, folder))))
      throw badModule(`bundleDependencies: ${folder} is not there`, {
        path: "package.json",
        hint: "Run `npm install` in the module's folder first.",
      });
    for await (const path of walk(dir, folder, 2)) take(path);
  }
  return found.sort();
}

/** `paths`: all of `from` and below. `include`: what it says of them. */
interface Rule {
  readonly pattern: RegExp;
  readonly include: boolean;
}

function isPacked(path: string, rules: readonly Rule[] | undefined): boolean {
  if (ALWAYS.test(path)) return true;
  if (rules === undefined) return true;
  let packed = false;
  for (const { pattern, include } of rules) if (pattern.test(path)) packed = include;
  return packed;
}

function ruleOf(text: string): Rule {
  const include = !text.startsWith("!");
  const path = text
    .replace(/^!/, "")
    .replace(/^\.?\//, "")
    .replace(/\/+$/, "");
  const pattern = path
    .split("/")
    .map((part) => (part === "**" ? "**" : part.split("*").map(escaped).join("[^/]*")))
    .join("/")
    .replaceAll("**/", "(?:.*/)?")
    .replaceAll("**", ".*");
  return { pattern: new RegExp(`^(?:${pattern})(?:/.*)?$`), include };
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** Files below `dir/from`, as paths with slashes from `dir` on. */
async function* walk(dir: string, from: string, depth: number): AsyncGenerator<string> {
  if (depth > MAX_PATH_DEPTH) throw badModule("lies too deep", { path: from });
  const entries: readonly Dirent[] = await readdir(join(dir, from), { withFileTypes: true });
  for (const entry of entries) {
    if (NEVER.test(entry.name)) continue;
    const path = from === "" ? entry.name : `${from}/${entry.name}`;
    if (entry.isDirectory()) yield* walk(dir, path, depth + 1);
    // Links are left out, as npm does: who knows where they lead elsewhere.
    else if (entry.isFile()) yield path;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
