import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

export function readJson(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}

/**
 * The npm workspaces in the order of the root package.json, which is the order they build in.
 * `folder` is as written there ("examples/arena"), `dir` absolute.
 */
export function workspaces() {
  return readJson(path.join(root, "package.json")).workspaces.map((folder) => {
    const dir = path.join(root, folder);
    return { folder, dir, manifest: readJson(path.join(dir, "package.json")) };
  });
}

/** Every file below a folder, relative to it; none when it does not exist. */
export function filesBelow(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(dir, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

/**
 * Built files whose source still exists. The compiler never deletes what it made from a source that
 * was renamed or removed, and such leftovers must not run as tests.
 * @param {RegExp} pattern matched against the file's name below dist, with forward slashes
 * @returns {{file: string, name: string}[]} `file` absolute, `name` relative to the root
 */
export function builtFiles(workspace, pattern) {
  const dist = path.join(workspace.dir, "dist");
  return filesBelow(dist)
    .filter((name) => pattern.test(name.replaceAll("\\", "/")))
    .filter((name) => {
      const source = name.replace(/\.js$/, ".ts");
      return [path.join("src", source), source].some((s) =>
        existsSync(path.join(workspace.dir, s)),
      );
    })
    .map((name) => {
      const file = path.join(dist, name);
      return { file, name: path.relative(root, file).replaceAll("\\", "/") };
    });
}
