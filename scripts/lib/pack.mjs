import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { npm, ScriptError } from "./run.mjs";
import { filesBelow, root, workspaces } from "./workspace.mjs";

/**
 * Packs every public package into `destination`.
 *
 * What is published differs from what the workspace holds, and npm has no field for that, so each
 * package is staged: its types point to the declarations in dist instead of the sources, and the
 * declarations' own imports end in `.js`, which every resolver understands.
 * @param {string} destination a folder; made when missing
 * @returns {Promise<{name: string, file: string}[]>}
 */
export async function packAll(destination) {
  mkdirSync(destination, { recursive: true });
  const staging = path.join(destination, "staging");
  rmSync(staging, { recursive: true, force: true });
  const packages = workspaces().filter(({ manifest }) => manifest.private !== true);
  const versions = new Map(packages.map(({ manifest }) => [manifest.name, manifest.version]));
  const staged = packages.map((workspace) => stage(workspace, staging, versions));
  const output = await npm(["pack", "--json", "--pack-destination", destination, ...staged], {
    capture: true,
  });
  rmSync(staging, { recursive: true, force: true });
  return packed(JSON.parse(output)).map(({ name, filename }) => ({
    name,
    // npm 10 tells the name with slashes where the file has dashes.
    file: path.join(destination, filename.replace("@", "").replaceAll("/", "-")),
  }));
}

/** npm 11 may key its answer by package name where npm 10 gives a list. */
function packed(answer) {
  return Array.isArray(answer) ? answer : Object.values(answer);
}

function stage({ folder, dir, manifest }, staging, versions) {
  const to = path.join(staging, folder.replaceAll("/", "-"));
  cpSync(dir, to, {
    recursive: true,
    filter: (source) => path.basename(source) !== "node_modules",
  });
  for (const name of filesBelow(path.join(to, "dist")).filter((n) => n.endsWith(".d.ts"))) {
    const file = path.join(to, "dist", name);
    writeFileSync(file, withJsImports(readFileSync(file, "utf8")));
  }
  const published = publishedManifest(manifest, versions, folder);
  writeFileSync(path.join(to, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
  const license = path.join(root, "LICENSE");
  cpSync(license, path.join(to, "LICENSE"));
  return to;
}

/** `from "./x.ts"` and `import("./x.ts")` become `./x.js`; other text stays as it is. */
export function withJsImports(declarations) {
  return declarations.replace(
    /((?:\bfrom|\bimport)\s*\(?\s*["']\.{1,2}\/[^"'\n]*?)\.ts(?=["'])/g,
    "$1.js",
  );
}

/** The manifest as it goes out: types from dist, siblings pinned, nothing that only builds need. */
export function publishedManifest(manifest, versions, folder) {
  const { devDependencies: _dev, scripts: _scripts, ...rest } = manifest;
  const dependencies = Object.fromEntries(
    Object.entries(manifest.dependencies ?? {}).map(([name, range]) => {
      const sibling = versions.get(name);
      if (sibling === undefined && name.startsWith("@atlasnet/"))
        throw new ScriptError(`${folder}/package.json depends on ${name}, which is not published.`);
      return [name, sibling ?? range];
    }),
  );
  return {
    ...rest,
    dependencies,
    exports: publishedExports(manifest.exports ?? {}),
  };
}

function publishedExports(entry) {
  if (typeof entry === "string" || entry === null) return entry;
  return Object.fromEntries(
    Object.entries(entry).map(([key, value]) => {
      if (key !== "types" || typeof value !== "string") return [key, publishedExports(value)];
      const types = value.replace(/^\.\/src\//, "./dist/").replace(/(?<!\.d)\.ts$/, ".d.ts");
      return [key, types];
    }),
  );
}
