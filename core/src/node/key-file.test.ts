import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { KeyFileError, loadOrCreateKeyFile } from "./key-file.ts";

const RESUME = { account: "ann", world: "arena", session: 7, name: "Ann", data: null };

async function tempDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-keys-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test("a key file is made once and read afterwards", async (t) => {
  const dir = await tempDir(t);
  const file = join(dir, "keys", "tickets.jwks.json");
  const first = await loadOrCreateKeyFile(file);
  const second = await loadOrCreateKeyFile(file);
  assert.deepEqual([first.created, second.created], [true, false]);
  const token = await first.keys.signResume(RESUME);
  assert.deepEqual(await second.keys.verifyResume(token), { ok: true, claims: RESUME });
  assert.deepEqual(await readdir(join(dir, "keys")), ["tickets.jwks.json"]);
});

test("the file is for its owner only", { skip: process.platform === "win32" }, async (t) => {
  const file = join(await tempDir(t), "tickets.jwks.json");
  await loadOrCreateKeyFile(file);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test("processes that start together agree on one key", async (t) => {
  const file = join(await tempDir(t), "tickets.jwks.json");
  const all = await Promise.all(Array.from({ length: 4 }, () => loadOrCreateKeyFile(file)));
  assert.equal(all.filter(({ created }) => created).length, 1);
  const token = await all[0]?.keys.signResume(RESUME);
  for (const { keys } of all) assert.equal((await keys.verifyResume(token ?? "")).ok, true);
});

test("a damaged file is refused with its name and the way out, and left alone", async (t) => {
  const file = join(await tempDir(t), "tickets.jwks.json");
  await loadOrCreateKeyFile(file);
  const good = await readFile(file, "utf8");
  const damaged = [
    "",
    good.slice(0, good.length / 2),
    "[]",
    '{"keys": {}}',
    '{"keys": [{"kty": 5}]}',
    '{"keys": []}',
    good.replace(/"x": "...../, '"x": "'),
  ];
  for (const text of damaged) {
    await writeFile(file, text);
    await assert.rejects(loadOrCreateKeyFile(file), (error: unknown) => {
      assert.ok(error instanceof KeyFileError, String(error));
      assert.ok(error.message.startsWith(`${file} `));
      assert.match(error.hint ?? "", /Put a good copy back, or move the file away/);
      return true;
    });
    assert.equal(await readFile(file, "utf8"), text);
  }
});

test("a folder that cannot be made is an error that names file and setting", async (t) => {
  const blocker = join(await tempDir(t), "blocker");
  await writeFile(blocker, "a file, not a folder");
  const file = join(blocker, "keys", "tickets.jwks.json");
  await assert.rejects(loadOrCreateKeyFile(file), (error: unknown) => {
    assert.ok(error instanceof KeyFileError);
    assert.ok(error.message.startsWith(`${file} cannot be `));
    return true;
  });
});
