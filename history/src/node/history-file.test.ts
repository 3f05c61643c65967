import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { checkHistory } from "../check/history-checker.ts";
import type { HistoryRecord } from "../record.ts";
import { Story } from "../testing/story.ts";
import { HistoryFile } from "./history-file.ts";
import { readHistory } from "./read-history.ts";

const folder = await mkdtemp(join(tmpdir(), "atlasnet-history-"));
after(() => rm(folder, { recursive: true, force: true }));

function talk(messages: number): readonly HistoryRecord[] {
  const story = new Story();
  story.attach();
  for (let n = 0; n < messages; n++) story.say();
  story.settle();
  return story.records;
}

async function read(file: string): Promise<HistoryRecord[]> {
  const records: HistoryRecord[] = [];
  for await (const record of readHistory(file)) records.push(record);
  return records;
}

async function written(name: string, records: readonly HistoryRecord[], maxPendingBytes?: number) {
  const path = join(folder, name);
  const file = new HistoryFile({
    file: path,
    ...(maxPendingBytes !== undefined && { maxPendingBytes }),
  });
  for (const record of records) file.sink(record);
  await file.close();
  return path;
}

test("a history comes back from its file, also without a last line that was cut off", async () => {
  const records = talk(2_000);
  const path = await written("whole.jsonl", records);
  await appendFile(path, '["c1",99,{"type":"se');
  const back = await read(path);
  assert.deepEqual(back, records);
  assert.ok(checkHistory(back).complete);
});

test("what the disk has no room for is a hole, and the file says so", async () => {
  const back = await read(await written("slow.jsonl", talk(5_000), 100_000));
  const verdict = checkHistory(back);
  assert.ok(verdict.ok && !verdict.complete);
  assert.ok(verdict.figures.holes > 0);
  assert.equal(verdict.figures.holes + back.length - 1, talk(5_000).length);
});

test("a line that is none is named by file and number", async () => {
  const path = join(folder, "bad.jsonl");
  await writeFile(path, '["a",1,{"type":"resumed"}]\nhello\n');
  await assert.rejects(read(path), { code: "bad-history", message: /bad\.jsonl:2: not a line/ });
});

test("a file that cannot be written is told by close", async () => {
  const file = new HistoryFile({ file: join(folder, "nowhere", "x.jsonl") });
  for (const record of talk(1)) file.sink(record);
  await assert.rejects(file.close(), { code: "ENOENT" });
});
