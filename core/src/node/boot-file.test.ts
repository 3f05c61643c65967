import assert from "node:assert/strict";
import { copyFile, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BootFile } from "./boot-file.ts";

const A = "a".repeat(32);
const B = "b".repeat(32);
const C = "c".repeat(32);

async function scene(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-boot-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const open = (node = "gs-1") => new BootFile({ dir, node });
  const known = async (node?: string) => [...(await open(node).known())];
  return { dir, file: join(dir, "boot.json"), open, known };
}

test("boots outlive the process; once one is registered those before it count no more", async (t) => {
  const { dir, file, open, known } = await scene(t);
  assert.deepEqual(await known(), []);
  const first = open();
  await first.begins(A);
  await first.begins(B);
  assert.deepEqual(await known(), [A, B], "either may have come into the store");
  await first.registered(B);
  assert.deepEqual(await known(), [B]);
  const second = open();
  await second.begins(C);
  assert.deepEqual(await known(), [B, C]);
  const { folder, ...said } = JSON.parse(await readFile(file, "utf8"));
  assert.match(folder, /^\d+$/);
  assert.deepEqual(said, { node: "gs-1", boots: [B, C] });
  assert.deepEqual(await readdir(dir), ["boot.json"]);
});

test("the file of another node, and a damaged one, prove nothing", async (t) => {
  const { file, open, known } = await scene(t);
  await open().begins(A);
  assert.deepEqual(await known("gs-2"), []);
  for (const text of [
    "",
    "{",
    '{"node":"gs-1"}',
    '{"node":"gs-1","boots":[1,"x"]}',
    "[]",
    "null",
  ]) {
    await writeFile(file, text);
    assert.deepEqual(await known(), [], text);
  }
  await open().begins(A);
  assert.deepEqual(await known(), [A]);
});

test("a copy of the folder proves nothing: the original may run", async (t) => {
  const { dir, file, open, known } = await scene(t);
  await open().registered(A);
  const copy = await scene(t);
  await copyFile(file, copy.file);
  assert.deepEqual(await copy.known(), []);
  await copy.open().begins(B);
  assert.deepEqual(await copy.known(), [B]);
  const moved = `${dir}-moved`;
  await rename(dir, moved);
  t.after(() => rm(moved, { recursive: true, force: true }));
  const there = new BootFile({ dir: moved, node: "gs-1" });
  assert.deepEqual([...(await there.known())], [A], "one that was moved is the same");
  assert.deepEqual(await known(), []);
});

test("the number of boots is bounded", async (t) => {
  const { open, known } = await scene(t);
  const boots = open();
  const many = Array.from({ length: 20 }, (_, index) => String(index).padStart(32, "0"));
  for (const boot of many) await boots.begins(boot);
  assert.deepEqual(await known(), many.slice(-16));
});

test("a folder that is not there is named", async (t) => {
  const { dir } = await scene(t);
  const boots = new BootFile({ dir: join(dir, "gone"), node: "gs-1" });
  await assert.rejects(boots.begins(A), { code: "unwritable-file", message: /boot\.json/ });
});
