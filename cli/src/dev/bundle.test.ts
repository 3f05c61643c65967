import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test, { type TestContext } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { bundleWorld, type WorldBuild, watchWorld } from "./bundle.ts";

/** Below the workspace, so that `@atlasnet/world` is found from there. */
const TEMP_ROOT = fileURLToPath(new URL("../../dist/", import.meta.url));

async function project(t: TestContext, files: { [name: string]: string }): Promise<string> {
  const dir = await mkdtemp(join(TEMP_ROOT, "bundle-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await write(dir, files);
  return dir;
}

async function write(dir: string, files: { [name: string]: string }): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
}

function worldText(name: string): string {
  return `import { defineWorld, implementWorld } from "@atlasnet/world";
import { fail } from "./fail.ts";
export const definition = defineWorld({ name: "${name}", components: {} });
export const world = implementWorld(definition, { tick: (): void => fail() });
`;
}

const FAIL = `// A line.
export function fail(): never {
  throw new Error("on purpose");
}
`;

test("a TypeScript world becomes a module that Node runs", async (t) => {
  const workingDir = await project(t, { "src/world.ts": worldText("game"), "src/fail.ts": FAIL });
  const file = join(workingDir, ".atlasnet", "world.mjs");
  const built = await bundleWorld({ entry: "src/world.ts", workingDir }, file);
  assert.deepEqual(built, { ok: true, file, warnings: [] });
  const { world } = await import(pathToFileURL(file).href);
  assert.equal(world.definition.data.name, "game");
  // One copy of the package for world and server.
  assert.match(await readFile(file, "utf8"), /from "@atlasnet\/world"/);
});

test("its source map names the sources", async (t) => {
  const workingDir = await project(t, { "src/world.ts": worldText("game"), "src/fail.ts": FAIL });
  const file = join(workingDir, ".atlasnet", "world.mjs");
  await bundleWorld({ entry: "src/world.ts", workingDir }, file);
  const text = await readFile(file, "utf8");
  const map = JSON.parse(
    Buffer.from(text.slice(text.lastIndexOf("base64,") + 7), "base64").toString("utf8"),
  );
  assert.deepEqual(map.sources.sort(), ["../src/fail.ts", "../src/world.ts"]);
});

test("errors name file, line and column, and show the line", async (t) => {
  const workingDir = await project(t, {
    "src/world.ts": 'import { nothing } from "./none.ts";\nconst x = ;\n',
    "src/missing.ts": 'import { nothing } from "./none.ts";\nexport const world = nothing;\n',
  });
  const build = async (entry: string) => {
    const built = await bundleWorld({ entry, workingDir }, join(workingDir, "out.mjs"));
    return built.ok ? [] : built.errors.map((text) => text.replaceAll("\\", "/"));
  };
  assert.deepEqual(await build("src/world.ts"), [
    'src/world.ts:2:11: Unexpected ";"\n    const x = ;',
  ]);
  assert.match(
    (await build("src/missing.ts"))[0] ?? "",
    /^src\/missing\.ts:1:25: .*"\.\/none\.ts"/,
  );
  assert.match((await build("src/gone.ts"))[0] ?? "", /gone\.ts/);
});

test("watching builds again after a change, also after an error, each time to a new file", async (t) => {
  const workingDir = await project(t, { "src/world.ts": worldText("one"), "src/fail.ts": FAIL });
  const outDir = join(workingDir, ".atlasnet");
  const builds: WorldBuild[] = [];
  let arrived: () => void = () => undefined;
  const next = async () => {
    while (builds.length === 0)
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
    const build = builds.shift();
    assert.ok(build !== undefined);
    return build;
  };
  const watched = await watchWorld({ entry: "src/world.ts", workingDir }, outDir, (build) => {
    builds.push(build);
    arrived();
  });
  t.after(() => watched.stop());
  const nameIn = async (build: WorldBuild) => {
    assert.ok(build.ok);
    return (await import(pathToFileURL(build.file).href)).world.definition.data.name;
  };
  const first = await next();
  assert.equal(await nameIn(first), "one");
  await write(workingDir, { "src/fail.ts": "export const = 1;" });
  const broken = await next();
  assert.ok(!broken.ok);
  assert.match(broken.errors[0] ?? "", /fail\.ts:1:14/);
  await write(workingDir, { "src/fail.ts": FAIL, "src/world.ts": worldText("two") });
  let last = await next();
  // The two files may be noticed one after the other.
  while (!last.ok || (await nameIn(last)) === "one") last = await next();
  assert.equal(await nameIn(last), "two");
  assert.notEqual(first.ok && first.file, last.file);
  await watched.stop();
  assert.ok((await readdir(outDir)).length <= 2, "old builds are removed");
});
