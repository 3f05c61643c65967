import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { ConfigError } from "../config/config-error.ts";
import { loadConfig } from "./load-config.ts";

async function tempDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-config-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function messageOf(loading: Promise<unknown>): Promise<string> {
  try {
    await loading;
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return "loaded";
}

test("a file is read, named as it was given, its paths from its folder", async (t) => {
  const workingDir = await tempDir(t);
  await writeFile(join(workingDir, "a.toml"), '[data]\ndir = "kept"\n');
  const { config, origins } = await loadConfig({ file: "a.toml", env: {}, workingDir });
  assert.equal(config.data.dir, join(workingDir, "kept"));
  assert.deepEqual(origins.get("data.dir"), { kind: "file", file: "a.toml", line: 2 });
});

test("ATLASNET_CONFIG names the file where no flag does", async (t) => {
  const workingDir = await tempDir(t);
  await writeFile(join(workingDir, "env.toml"), "proxy.port = 1\n");
  await writeFile(join(workingDir, "flag.toml"), "proxy.port = 2\n");
  const env = { ATLASNET_CONFIG: "env.toml" };
  assert.equal((await loadConfig({ env, workingDir })).config.proxy.port, 1);
  const both = await loadConfig({ file: "flag.toml", env, workingDir });
  assert.equal(both.config.proxy.port, 2);
});

test("files that cannot be read are refused by name", async (t) => {
  const workingDir = await tempDir(t);
  await writeFile(join(workingDir, "broken.toml"), "[proxy]\nport = \n");
  await writeFile(join(workingDir, "latin.toml"), Buffer.from([0x61, 0xe9]));
  await writeFile(join(workingDir, "huge.toml"), Buffer.alloc(1_048_577, "#"));
  const load = (file: string) => messageOf(loadConfig({ file, env: {}, workingDir }));
  assert.match(await load("broken.toml"), /^broken\.toml:2: /);
  assert.ok(!(await load("broken.toml")).includes("\n"));
  assert.match(await load("latin.toml"), /^latin\.toml: is not UTF-8 text/);
  assert.match(await load("huge.toml"), /^huge\.toml: has 1048577 bytes, allowed/);
  assert.match(await load("none.toml"), /^none\.toml: cannot be read: no such file/);
  assert.match(await load("."), /^\.: cannot be read: it is a folder/);
});
