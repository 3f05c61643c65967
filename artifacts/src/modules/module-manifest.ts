import { isModuleName, isModuleVersion, MAX_MODULE_NAME_BYTES } from "@atlasnet/core";
import * as v from "valibot";
import { badModule, printable } from "../bad-module.ts";
import { pathProblem } from "./module-path.ts";

/** What a module's package.json says, as far as it matters here. */
export interface ModuleManifest {
  readonly name: string;
  readonly version: string;
  /** File that exports `world`; a path as in `ModuleFile`. */
  readonly entry: string;
  /** Packages it needs at run time and does not bring. */
  readonly dependencies: readonly string[];
  /** Install scripts that it has and that are never run. */
  readonly scripts: readonly string[];
}

/** Packages that every gameserver gives to modules, so that world and server share one copy. */
export const PROVIDED_PACKAGES: readonly string[] = ["@atlasnet/world"];

const NEVER_RUN = ["preinstall", "install", "postinstall", "prepare"];
const JAVASCRIPT = /\.[cm]?js$/;

const textMap = v.optional(v.record(v.string(), v.unknown()), {});
const schema = v.object({
  name: v.string(),
  version: v.string(),
  main: v.optional(v.unknown()),
  exports: v.optional(v.unknown()),
  scripts: textMap,
  dependencies: textMap,
});

/**
 * Checks a package.json against the files of its module.
 * @throws ArtifactError "bad-module"
 */
export function readManifest(bytes: Uint8Array, files: ReadonlySet<string>): ModuleManifest {
  const wrong = (problem: string, hint?: string) =>
    badModule(problem, { path: "package.json", ...(hint === undefined ? {} : { hint }) });
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw badModule("is not JSON", { path: "package.json", cause });
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw wrong(`${v.getDotPath(issue) ?? "the whole"}: ${issue.message}`);
  }
  const { name, version, main, exports, scripts, dependencies } = parsed.output;
  if (!isModuleName(name))
    throw wrong(
      `name: ${printable(name)} is no name of an npm package in lower case`,
      "Use letters, digits, dots and dashes, as in arena or @studio/arena.",
    );
  if (!isModuleVersion(version))
    throw wrong(`version: ${printable(version)} is no version such as 1.2.3`);
  return {
    name,
    version,
    entry: entryOf(exports, main, files, wrong),
    dependencies: Object.keys(dependencies).filter(
      (name) =>
        !PROVIDED_PACKAGES.includes(name) && !files.has(`node_modules/${name}/package.json`),
    ),
    scripts: NEVER_RUN.filter((script) => Object.hasOwn(scripts, script)),
  };
}

function entryOf(
  exports: unknown,
  main: unknown,
  files: ReadonlySet<string>,
  wrong: (problem: string, hint?: string) => Error,
): string {
  const hint = 'Name the built file that exports `world`: "exports": "./dist/index.js".';
  const given = exportedFile(exports, 0) ?? (typeof main === "string" ? main : undefined);
  if (given === undefined) throw wrong("neither exports nor main names a file", hint);
  const entry = given.replace(/^\.\//, "");
  const problem = pathProblem(entry);
  if (problem !== undefined) throw wrong(`entry ${printable(given)}: ${problem}`, hint);
  if (Buffer.byteLength(entry) > MAX_MODULE_NAME_BYTES)
    throw wrong(`entry: at most ${MAX_MODULE_NAME_BYTES} bytes are allowed`);
  if (!JAVASCRIPT.test(entry))
    throw wrong(
      `entry ${printable(entry)} is not JavaScript (.js, .mjs, .cjs)`,
      "Build the module first, as with `atlasnet build`, and name the built file.",
    );
  if (!files.has(entry)) throw wrong(`entry ${printable(entry)} is not in the tarball`, hint);
  return entry;
}

/** Conditions one in another. */
const MAX_CONDITIONS = 8;

/** What `import` of the package would load. */
function exportedFile(exports: unknown, depth: number): string | undefined {
  if (typeof exports === "string") return exports;
  if (typeof exports !== "object" || exports === null || depth > MAX_CONDITIONS) return undefined;
  const conditions: { "."?: unknown; node?: unknown; import?: unknown; default?: unknown } =
    exports;
  for (const next of [conditions["."], conditions.node, conditions.import, conditions.default]) {
    const found = next === undefined ? undefined : exportedFile(next, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}
