import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { apiScene } from "@atlasnet/apiserver/testing";
import { moduleFiles, rawTarball, tarballOf } from "@atlasnet/artifacts/testing";
import { runCli } from "../program.ts";

/** A cluster's API, a folder as artifact store, and command lines against both. */
async function scene(t: TestContext) {
  const api = await apiScene();
  const workingDir = await mkdtemp(join(tmpdir(), "atlasnet-module-cli-"));
  t.after(async () => {
    await api.close();
    await rm(workingDir, { recursive: true, force: true });
  });
  const [address = ""] = api.addresses;
  const environment: { [name: string]: string } = {
    ATLASNET_API: address,
    ATLASNET_TOKEN: api.token,
    ATLASNET_ARTIFACTS: "artifacts",
    HOME: workingDir,
  };
  const runIn = async (env: { [name: string]: string }, ...args: string[]) => {
    const said = { out: "", talk: "" };
    const io = {
      out: (text: string) => {
        said.out += text;
      },
      talk: (text: string) => {
        said.talk += text;
      },
      width: 80,
      env,
      workingDir,
      stop: new AbortController().signal,
    };
    const code = await runCli(["module", ...args], io, {
      loadMonolith: () => Promise.reject(new Error("no monolith in this test")),
    });
    return { code, ...said };
  };
  const run = (...args: string[]) => runIn(environment, ...args);
  const write = (name: string, bytes: Uint8Array) => writeFile(join(workingDir, name), bytes);
  const artifacts = () => readdir(join(workingDir, "artifacts"));
  return { api, environment, runIn, run, write, artifacts, workingDir };
}

test("push a folder, list, push again, remove", async (t) => {
  const { run, artifacts, workingDir } = await scene(t);
  const files = Object.entries(moduleFiles("@studio/arena", "1.0.0"));
  await mkdir(join(workingDir, "game", "dist"), { recursive: true });
  for (const [path, content] of files) await writeFile(join(workingDir, "game", path), content);
  const pushed = await run("push", "game", "-o", "json");
  assert.equal(pushed.code, 0, pushed.talk);
  const { digest, added, entry } = JSON.parse(pushed.out);
  assert.deepEqual([added, entry], [true, "dist/world.js"]);
  assert.deepEqual(await artifacts(), [`${digest}.tgz`]);
  const again = await run("push", "game");
  assert.match(again.talk, /there already/);
  assert.match((await run("ls")).out, new RegExp(`^@studio/arena +1\\.0\\.0 .*${digest}$`, "m"));
  const removed = await run("rm", "@studio/arena@1.0.0");
  assert.equal(removed.code, 0, removed.talk);
  assert.deepEqual(await artifacts(), []);
  assert.match((await run("ls")).talk, /no modules/);
});

test("a version with another content, hostile and missing files are refused", async (t) => {
  const { run, write, artifacts } = await scene(t);
  await write("one.tgz", await tarballOf(moduleFiles("arena", "1.0.0")));
  await write("two.tgz", await tarballOf(moduleFiles("arena", "1.0.0", "export const world = 2;")));
  await write("evil.tgz", rawTarball([{ path: "package/../../x" }]));
  assert.equal((await run("push", "one.tgz")).code, 0);
  const other = await run("push", "two.tgz");
  assert.match(other.talk, /\(module-exists\)\n {2}Raise the version/);
  assert.equal(other.code, 1);
  assert.match((await run("push", "evil.tgz")).talk, /leads out of the module \(bad-module\)/);
  assert.match((await run("push", "three.tgz")).talk, /there is no .*three\.tgz/);
  assert.match((await run("rm", "arena@2.0.0")).talk, /module-not-found/);
  assert.equal((await run("rm", "arena")).code, 2);
  assert.equal((await artifacts()).length, 1);
});

test("only an administrator pushes, and nothing is done without a store", async (t) => {
  const { run, runIn, write, environment, workingDir } = await scene(t);
  await write("one.tgz", await tarballOf(moduleFiles("arena", "1.0.0")));
  const { ATLASNET_ARTIFACTS: _, ...without } = environment;
  const lost = await runIn(without, "push", "one.tgz");
  assert.deepEqual([lost.code, /--store/.test(lost.talk)], [2, true]);
  const stranger = await runIn({ ...environment, ATLASNET_TOKEN: "wrong" }, "push", "one.tgz");
  assert.equal(stranger.code, 1, stranger.talk);
  assert.match(stranger.talk, /unauthorized/);
  assert.ok(!(await readdir(workingDir)).includes("artifacts"), "nothing was stored");
  assert.match((await run("push", "one.tgz", "--store", "ftp://x/y")).talk, /bad-artifact-store/);
});
