import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { CreateError, createdText, createGame, gameManifest, packageName } from "./create-game.ts";

async function tempDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-create-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test("a game is made with the folder's name and this version of the packages", async (t) => {
  const workingDir = await tempDir(t);
  const game = await createGame({ dir: "Star Game", workingDir });
  assert.deepEqual(game, {
    name: "star-game",
    dir: join(workingDir, "Star Game"),
    typed: "Star Game",
  });
  const names = await readdir(game.dir, { recursive: true });
  for (const name of [
    ".dockerignore",
    ".gitignore",
    "Dockerfile",
    "README.md",
    "atlasnet.toml",
    "package.json",
    join("web", "index.html"),
    join("web", "main.ts"),
    join("src", "definition.ts"),
    join("src", "world.test.ts"),
    join("src", "world.ts"),
    "tsconfig.json",
  ])
    assert.ok(names.includes(name), name);
  assert.ok(!names.includes("gitignore"));
  const own = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
  const made = JSON.parse(await readFile(join(game.dir, "package.json"), "utf8"));
  assert.equal(made.name, "star-game");
  const versions = { ...made.dependencies, ...made.devDependencies };
  for (const name of ["atlasnet", "@atlasnet/world", "@atlasnet/client", "@atlasnet/testing"])
    assert.equal(versions[name], own.version, name);
  assert.match(await readFile(join(game.dir, "README.md"), "utf8"), /^# star-game$/m);
});

test("what is typed next begins with the folder, quoted where it must be", () => {
  const text = createdText({ name: "a-b", dir: "/x/a b", typed: "a b" });
  assert.match(text, /^ {2}cd "a b"$/m);
  assert.match(text, /^ {2}npm install$/m);
  assert.doesNotMatch(createdText({ name: "a", dir: "/x", typed: "." }), /^ {2}cd/m);
});

test("a folder with something in it is refused and left as it is", async (t) => {
  const workingDir = await tempDir(t);
  await writeFile(join(workingDir, "precious.txt"), "mine");
  await assert.rejects(createGame({ dir: ".", workingDir }), (error: unknown) => {
    assert.ok(error instanceof CreateError);
    assert.match(error.message, /is not empty: there is precious\.txt$/);
    return true;
  });
  assert.deepEqual(await readdir(workingDir), ["precious.txt"]);
  await assert.rejects(createGame({ dir: "precious.txt", workingDir }), /precious\.txt is a file/);
});

test("a fresh repository is as good as an empty folder", async (t) => {
  const workingDir = await tempDir(t);
  await mkdir(join(workingDir, ".git"));
  await createGame({ dir: ".", workingDir });
  assert.ok((await stat(join(workingDir, "package.json"))).isFile());
});

test("other packages keep the version of the template", () => {
  const template = '{"name": "x", "dependencies": {"atlasnet": "0", "left": "1.2.3"}}';
  assert.deepEqual(JSON.parse(gameManifest(template, "g", "9.9.9")), {
    name: "g",
    dependencies: { atlasnet: "9.9.9", left: "1.2.3" },
    devDependencies: {},
  });
});

test("any folder gives the name of a package", () => {
  const names = ["My Game!", "..", "Übung", "a".repeat(300), "--"].map(packageName);
  assert.deepEqual(names, ["my-game", "my-game", "bung", "a".repeat(100), "my-game"]);
});
