import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "@atlasnet/core/node";
import { GroupCommit } from "./group-commit.ts";
import { LogTip } from "./log-tip.ts";
import type { LogRecord } from "./record.ts";

interface Write {
  readonly indexes: readonly number[];
  resolve(): void;
  reject(error: unknown): void;
}

function makeCommits(options: { maxGroupBytes?: number; maxWaitingBytes?: number } = {}) {
  const writes: Write[] = [];
  const failures: unknown[] = [];
  const commits = new GroupCommit(
    { maxGroupBytes: 1000, maxWaitingBytes: 10_000, ...options },
    {
      write: (records) =>
        new Promise<void>((resolve, reject) => {
          const indexes = records.map((r) => (r.type === "entry" ? r.entry.index : 0));
          writes.push({ indexes, resolve, reject });
        }),
      overrun: (waiting) => new Error(`overrun by ${waiting}`),
      onFailed: (error) => failures.push(error),
    },
  );
  const save = (index: number, length = 10): Promise<string> => {
    const data = new Uint8Array(length);
    const record: LogRecord = { type: "entry", entry: { term: 1, index, type: "command", data } };
    return commits.save([record], new LogTip()).then(
      () => "durable",
      (error: unknown) => (error instanceof Error ? error.message : "?"),
    );
  };
  return { commits, writes, failures, save };
}

test("what comes while a write runs goes into the next, in order", async () => {
  const { commits, writes, save } = makeCommits();
  const first = save(1);
  await settle();
  const others = [save(2), save(3), save(4)];
  await settle();
  assert.deepEqual(
    writes.map(({ indexes }) => indexes),
    [[1]],
  );
  assert.ok(commits.waitingBytes > 0);
  writes[0]?.resolve();
  assert.equal(await first, "durable");
  await settle();
  assert.deepEqual(writes[1]?.indexes, [2, 3, 4]);
  writes[1]?.resolve();
  assert.deepEqual(await Promise.all(others), ["durable", "durable", "durable"]);
  assert.equal(commits.waitingBytes, 0);
});

test("saves of one turn go together; a group is bounded, and a large save goes alone", async () => {
  const { writes, save } = makeCommits({ maxGroupBytes: 200 });
  const all = [save(1, 100), save(2, 20), save(3, 100), save(4, 500), save(5)];
  for (let i = 0; i < 4; i++) {
    await settle();
    writes[i]?.resolve();
  }
  await Promise.all(all);
  assert.deepEqual(
    writes.map(({ indexes }) => indexes),
    [[1, 2], [3], [4], [5]],
  );
});

test("a failed write fails what waits and what comes with the same error, and nothing is written", async () => {
  const { commits, writes, failures, save } = makeCommits();
  const first = save(1);
  await settle();
  const second = save(2);
  const broken = new Error("no disk");
  writes[0]?.reject(broken);
  assert.deepEqual([await first, await second, await save(3)], ["no disk", "no disk", "no disk"]);
  await assert.rejects(commits.save([], new LogTip()), (error) => error === broken);
  await commits.settled();
  assert.equal(writes.length, 1);
  assert.deepEqual(failures, [broken]);
  assert.ok(commits.failed);
});

test("what was being written when it was failed from outside is not acknowledged", async () => {
  const { commits, writes, save } = makeCommits();
  const first = save(1);
  await settle();
  commits.fail(new Error("the lock is lost"));
  writes[0]?.resolve();
  assert.equal(await first, "the lock is lost");
});

test("more than may wait ends it", async () => {
  const { writes, save } = makeCommits({ maxWaitingBytes: 200 });
  const saves = [save(1, 100), save(2, 100)];
  assert.match((await Promise.all(saves)).join(), /overrun by \d+,overrun by \d+/);
  assert.equal(writes.length, 0);
});

test("a save of nothing is durable when all before it are", async () => {
  const { commits, writes, save } = makeCommits();
  const first = save(1);
  let done = false;
  const nothing = commits.save([], new LogTip()).then(() => {
    done = true;
  });
  await settle();
  assert.equal(done, false);
  writes[0]?.resolve();
  await nothing;
  assert.equal(await first, "durable");
  assert.equal(writes.length, 1);
});
