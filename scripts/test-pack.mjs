// npm run test:pack: packs every public package, installs the tarballs into an empty folder, and
// builds and tests a small game below it, and one of `npm create atlasnet`, with nothing of this repository in reach.
import "./lib/check-node.mjs";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "./lib/build.mjs";
import { packAll } from "./lib/pack.mjs";
import { main, npm, runNode, ScriptError } from "./lib/run.mjs";
import { Steps } from "./lib/steps.mjs";
import { filesBelow, readJson, root } from "./lib/workspace.mjs";

// Later steps go on after a failure, for each says something of its own.
const steps = new Steps("packages");

await main(async () => {
  if (!process.argv.includes("--no-build")) await build();
  // Outside of the repository: a folder inside would find its node_modules.
  const work = mkdtempSync(path.join(tmpdir(), "atlasnet-pack-"));
  const game = path.join(work, "game");
  cpSync(path.join(root, "scripts", "pack-game"), game, { recursive: true });
  // Its own package.json is for the linter here; a game's dependencies must come from the tarballs.
  writeFileSync(path.join(game, "package.json"), '{ "private": true, "type": "module" }\n');
  try {
    const packages = await packAll(path.join(work, "packages"));
    const { devDependencies } = readJson(path.join(root, "package.json"));
    const tools = ["@types/node", "typescript"].map((name) => `${name}@${devDependencies[name]}`);
    // Once for both games: Node and npm look for what a game needs in the folders above it, too.
    const tarballs = packages.map(({ file }) => file);
    await npm(
      ["install", "--no-save", "--no-package-lock", "--prefix", work, ...tarballs, ...tools],
      { cwd: work },
    );
    const installed = (name) => path.join(work, "node_modules", name);
    for (const { name } of packages) {
      const dir = installed(name);
      await steps.step(`${name}: can be imported`, () => importPackage(game, dir, name));
      await steps.step(`${name}: types, licence, no tests, no .ts imports`, () =>
        checkContents(dir),
      );
    }
    await steps.step("a game type-checks, strictly and with the libraries' own types", () =>
      runNode([path.join(root, "node_modules", "typescript", "bin", "tsc"), "-p", game]),
    );
    await steps.step("the game's own test passes", () =>
      runNode(["--test", path.join("out", "game.test.js")], { cwd: game }),
    );
    const made = path.join(work, "made");
    await steps.step(
      "npm create atlasnet: what the new game asks for is what was packed",
      async () => {
        await runNode([path.join(installed("create-atlasnet"), "dist", "main.js"), "made"], {
          cwd: work,
        });
        const { dependencies, devDependencies: tools } = readJson(path.join(made, "package.json"));
        for (const [name, version] of Object.entries({ ...dependencies, ...tools })) {
          const found = readJson(path.join(installed(name), "package.json")).version;
          if (found !== version) throw new ScriptError(`${name}: ${version}, packed was ${found}`);
        }
      },
    );
    await steps.step("the new game passes its test", () => npm(["test"], { cwd: made }));
    await steps.step("the new game builds", () => npm(["run", "build"], { cwd: made }));
  } finally {
    if (process.argv.includes("--keep")) console.log(`kept: ${work}`);
    else rmSync(work, { recursive: true, force: true });
  }
  steps.report();
});

async function importPackage(game, dir, name) {
  const { exports, bin } = readJson(path.join(dir, "package.json"));
  // A package with commands acts when its entry is run; those are asked for help instead.
  for (const program of Object.values(typeof bin === "string" ? { name: bin } : (bin ?? {})))
    await runNode([path.join(dir, program), "--help"], { cwd: game, capture: true });
  const subpaths = Object.keys(exports ?? {}).filter((subpath) => !subpath.includes("*"));
  const imports = subpaths.map(
    (subpath) => `await import(${JSON.stringify(name + subpath.slice(1))});`,
  );
  await runNode(["--input-type=module", "-e", imports.join("\n")], { cwd: game });
}

function checkContents(dir) {
  const files = filesBelow(dir).filter((name) => !name.startsWith("node_modules"));
  // A template's test is there to be copied.
  const problems = files.filter((name) => /^(src|dist)\b.*\.(test|browser)\./.test(name));
  if (!files.includes("LICENSE")) problems.push("LICENSE is missing");
  for (const name of files.filter((file) => file.endsWith(".d.ts")))
    if (/["']\.{1,2}\/[^"']*\.ts["']/.test(readFileSync(path.join(dir, name), "utf8")))
      problems.push(`${name} imports a .ts file`);
  const types = JSON.stringify(readJson(path.join(dir, "package.json")).exports ?? {});
  if (types.includes("/src/")) problems.push(`exports name sources: ${types}`);
  if (problems.length > 0) throw new ScriptError(problems.join("\n"));
}
