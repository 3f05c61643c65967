import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { apiScene } from "@atlasnet/apiserver/testing";
import { configuredStore } from "@atlasnet/artifacts";
import { moduleFiles, rawTarball, tarballOf } from "@atlasnet/artifacts/testing";
import { runCommand } from "../testing/command.ts";

/** A cluster's API with a folder as artifact store, and command lines against it. */
async function scene(t: TestContext, { withStore = true } = {}) {
  const workingDir = await mkdtemp(join(tmpdir(), "atlasnet-module-cli-"));
  const config = { artifacts: { store: join(workingDir, "artifacts"), cacheBytes: 1_048_576 } };
  const api = await apiScene({}, withStore ? { artifacts: configuredStore(config, {}) } : {});
  t.after(async () => {
    await api.close();
    await rm(workingDir, { recursive: true, force: true });
  });
  const [address = ""] = api.addresses;
  const environment: { [name: string]: string } = {
    ATLASNET_API: address,
    ATLASNET_TOKEN: api.token,
    HOME: workingDir,
  };
  const runIn = (env: { [name: string]: string }, args: readonly string[], { live = false } = {}) =>
    runCommand(["module", ...args], { live, env, workingDir });
  const run = (...args: string[]) => runIn(environment, args);
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
  assert.match(other.talk, /exists with another content.*\(conflict\)\n {2}Raise the version/);
  assert.equal(other.code, 3);
  assert.match((await run("push", "evil.tgz")).talk, /leads out of the module \(bad-module\)/);
  assert.match((await run("push", "three.tgz")).talk, /there is no .*three\.tgz/);
  assert.match(
    (await run("rm", "arena@2.0.0")).talk,
    /there is no module arena 2\.0\.0 \(not-found\)/,
  );
  assert.equal((await run("rm", "arena")).code, 2);
  assert.equal((await artifacts()).length, 1);
});

test("only an administrator pushes, and only where the apiserver has a store", async (t) => {
  const { api, runIn, write, environment, workingDir } = await scene(t);
  await write("one.tgz", await tarballOf(moduleFiles("arena", "1.0.0")));
  const stranger = await runIn({ ...environment, ATLASNET_TOKEN: "wrong" }, ["push", "one.tgz"]);
  assert.equal(stranger.code, 1, stranger.talk);
  assert.match(stranger.talk, /unauthorized/);
  const body = { name: "ops", role: "operate" };
  const answer = await api.client().request({ method: "POST", path: "/v1/tokens", body });
  const { token = "" } = Object(answer);
  const operator = await runIn({ ...environment, ATLASNET_TOKEN: token }, ["push", "one.tgz"]);
  assert.match(operator.talk, /modules\.push needs the role admin.*\(forbidden\)/);
  assert.ok(!(await readdir(workingDir)).includes("artifacts"), "nothing was stored");
  const without = await scene(t, { withStore: false });
  await without.write("one.tgz", await tarballOf(moduleFiles("arena", "1.0.0")));
  const lost = await without.run("push", "one.tgz");
  assert.match(
    lost.talk,
    /not told where modules are kept \(not-available\)\n {2}Set artifacts\.store/,
  );
  assert.match((await without.run("ls")).talk, /no modules/);
});

test("a module is not removed while a world names it; a world finds it by name and version", async (t) => {
  const { api, run, write } = await scene(t);
  await write("one.tgz", await tarballOf(moduleFiles("@studio/arena", "1.0.0")));
  assert.equal((await run("push", "one.tgz")).code, 0);
  const module = { source: "store", name: "@studio/arena", version: "1.0.0" };
  const client = api.client();
  await client.request({ method: "POST", path: "/v1/worlds", body: { world: "arena", module } });
  const refused = await run("rm", "@studio/arena@1.0.0");
  assert.match(refused.talk, /@studio\/arena 1\.0\.0 is used by arena \(conflict\)/);
  await client.request({ method: "DELETE", path: "/v1/worlds/arena" });
  assert.equal((await run("rm", "@studio/arena@1.0.0")).code, 0);
});

test("on a terminal a bar shows how far an upload is, and goes away", async (t) => {
  const { environment, runIn, write } = await scene(t);
  const noise = randomBytes(400_000).toString("base64");
  await write(
    "one.tgz",
    await tarballOf(moduleFiles("arena", "1.0.0", `export const world = "${noise}";`)),
  );
  const { talk, code } = await runIn(environment, ["push", "one.tgz"], { live: true });
  assert.equal(code, 0, talk);
  assert.match(talk, /\rPushing \[#+-+\] \d+ %/);
  assert.match(talk, /\rChecking \[#{24}\] 100 % {2}0\.\d of 0\.\d MiB/);
  assert.ok(talk.endsWith("\r\u001b[K"), JSON.stringify(talk.slice(-60)));
});
