import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { npm, runNode } from "./run.mjs";
import { readJson, root, workspaces } from "./workspace.mjs";

/** Installs what is missing and builds everything; with nothing to do it takes about a second. */
export async function build() {
  await install();
  const all = workspaces();
  for (const { dir } of all) {
    // The compiler trusts its record of the last build; without the output that record is a lie.
    if (!existsSync(path.join(dir, "dist")))
      rmSync(path.join(dir, "tsconfig.tsbuildinfo"), { force: true });
  }
  await runNode([path.join(root, "node_modules", "typescript", "bin", "tsc"), "-b"]);
  for (const { folder, manifest } of all) {
    if (manifest.scripts?.bundle !== undefined)
      await npm(["run", "--silent", "bundle", "-w", folder]);
  }
}

async function install() {
  const state = installState();
  if (state === "missing") {
    console.log("Installing packages (npm ci)…");
    await npm(["ci"]);
  } else if (state === "stale") {
    // Not `npm ci`: that deletes node_modules first, also under a server that runs from it.
    console.log("package-lock.json changed: installing what is new…");
    await npm(["install", "--no-save"]);
  }
}

function installState() {
  const record = path.join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return "missing";
  const wanted = readJson(path.join(root, "package-lock.json")).packages;
  return isStale(wanted, readJson(record).packages) ? "stale" : "current";
}

/**
 * Compares what the lock file asks for with npm's own record of what it installed. File times would
 * not do: a checkout or a copy changes them and says nothing.
 */
export function isStale(wanted, installed) {
  return Object.entries(wanted).some(([place, entry]) => {
    if (place === "" || entry.optional || entry.devOptional) return false;
    const there = installed[place];
    if (there === undefined) return true;
    return place.includes("node_modules/") && !entry.link && there.version !== entry.version;
  });
}
