import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { runCommand } from "../testing/command.ts";

async function completion(shell: string): Promise<string> {
  const { code, out, talk } = await runCommand(["completion", shell]);
  assert.equal(talk, "");
  assert.equal(code, 0);
  return out;
}

function has(shell: string): boolean {
  return spawnSync(shell, ["--version"]).status === 0;
}

async function scriptFile(t: TestContext, shell: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-completion-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, "script");
  await writeFile(file, await completion(shell));
  return file;
}

const bash = has("bash");
test(`bash completes commands, options and values${bash ? "" : " (left out: there is no bash)"}`, {
  skip: !bash,
}, async (t) => {
  const script = await scriptFile(t, "bash");
  const complete = (...words: string[]) => {
    const run = `source '${script}'; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _atlasnet; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const args = ["--norc", "-c", run, "bash", "atlasnet", ...words];
    return execFileSync("bash", args, { encoding: "utf8" }).trimEnd().split("\n");
  };
  assert.deepEqual(complete("mono"), ["monolith"]);
  const nodes = complete("node", "");
  for (const name of ["ls", "show", "cordon", "drain", "undrain", "rm"])
    assert.ok(nodes.includes(name), name);
  assert.deepEqual(complete("raft", "tr"), ["transfer"]);
  assert.deepEqual(complete("node", "ls", "--ou"), ["--output"]);
  assert.deepEqual(complete("node", "ls", "--output", ""), ["table", "json", "yaml"]);
  assert.deepEqual(complete("node", "ls", "-o", "j"), ["json"]);
  // The value of an option is no command, wherever it stands.
  assert.deepEqual(complete("ca", "init", "--dir", "ls", "--cl"), ["--cluster"]);
  assert.deepEqual(complete("kv", "ls", "--node", "kv", "--ou"), ["--output"]);
  assert.deepEqual(complete("--verbose", "world", "upd"), ["update"]);
  assert.deepEqual(complete("world", "create", "w", "--failover", "m"), ["manual"]);
  assert.deepEqual(complete("gameserver", "--gameserver.gr"), ["--gameserver.graceSeconds"]);
  assert.deepEqual(complete("log-level", "de"), ["debug"]);
  assert.deepEqual(complete("completion", "f"), ["fish"]);
  assert.deepEqual(complete("world", "create", "w", "--module", "x"), [""], "files, by bash");
  assert.deepEqual(complete("--stop"), [""], "what is between processes is not offered");
});

for (const [shell, check] of [
  ["bash", "-n"],
  ["zsh", "-n"],
  ["fish", "-n"],
] as const) {
  const there = has(shell);
  test(`the script for ${shell} is one${there ? "" : ` (left out: there is no ${shell})`}`, {
    skip: !there,
  }, async (t) => {
    const { status, stderr } = spawnSync(shell, [check, await scriptFile(t, shell)]);
    assert.equal(status, 0, String(stderr));
  });
}

test("every shell is offered every command", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const script = await completion(shell);
    for (const name of ["apiserver", "raft", "transfer", "completion", "context", "log-level"])
      assert.match(script, new RegExp(`\\b${name}\\b`), `${shell} ${name}`);
  }
});
