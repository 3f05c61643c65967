import assert from "node:assert/strict";
import { test } from "node:test";
import type { JournalRecord } from "./journal-file.ts";
import { type JournalEffect, JournalQueue } from "./journal-queue.ts";

const base = { epoch: 1, tick: 0 };

function record(tick: number, bytes = 10): JournalRecord {
  return { previousTick: tick - 1, tick, bytes: new Uint8Array(bytes) };
}

/** Effects in short: `open1@0`, `write1:1,2`, `sync1`, `close1`, `arm sync`, `fault 250`. */
function show(effects: readonly JournalEffect[]): string {
  const one = (effect: JournalEffect): string => {
    switch (effect.type) {
      case "open":
        return `open${effect.file}@${effect.base.tick}`;
      case "write":
        return `write${effect.file}:${effect.records.map(({ tick }) => tick).join()}`;
      case "arm":
        return `arm ${effect.timer}`;
      case "fault":
        return `fault ${effect.retryMs}`;
      case "recovered":
        return "recovered";
      default:
        return `${effect.type}${effect.file}`;
    }
  };
  return effects.map(one).join(" ");
}

function begun(): JournalQueue {
  const queue = new JournalQueue({ epoch: 1, syncMs: 1000, maxBytes: 1000 });
  assert.equal(show(queue.begin(base, false)), "", "no file before there is a delta");
  return queue;
}

const opened = (file: number) => ({ type: "opened", file }) as const;
const written = (file: number) => ({ type: "written", file }) as const;
const synced = (file: number) => ({ type: "synced", file }) as const;
const failed = (file: number) => ({ type: "failed", file, error: new Error("disk") }) as const;
const timer = (name: "sync" | "retry") => ({ type: "timer", timer: name }) as const;

/** A queue with an open file in which ticks 1 and 2 are written and not synced. */
function withTwoWritten(): JournalQueue {
  const queue = begun();
  assert.equal(show(queue.append(record(1))), "open1@0");
  assert.equal(show(queue.append(record(2))), "");
  assert.equal(show(queue.step(opened(1))), "write1:1,2 arm sync");
  assert.equal(show(queue.step(written(1))), "");
  return queue;
}

test("deltas are written at once and synced together when the timer fires", () => {
  const queue = withTwoWritten();
  assert.equal(show(queue.step(timer("sync"))), "sync1");
  assert.equal(queue.lastDurable, 0);
  assert.equal(show(queue.step(synced(1))), "");
  assert.equal(queue.lastDurable, 2);
  assert.equal(queue.waitingBytes, 0);
});

test("writing goes on beside a sync, which covers only what was written before it", () => {
  const queue = withTwoWritten();
  queue.step(timer("sync"));
  assert.equal(show(queue.append(record(3))), "write1:3");
  queue.step(written(1));
  assert.equal(show(queue.step(synced(1))), "arm sync");
  assert.equal(queue.lastDurable, 2);
});

test("a flush does not wait for the timer, and reaches what is not yet written", () => {
  const queue = withTwoWritten();
  assert.equal(show(queue.append(record(3))), "write1:3");
  assert.equal(show(queue.flush()), "sync1");
  queue.step(written(1));
  assert.equal(show(queue.step(synced(1))), "sync1");
  queue.step(synced(1));
  assert.equal(queue.lastDurable, 3);
});

test("after a fault a new file repeats all that is not durable, from the durable tick on", () => {
  const queue = withTwoWritten();
  queue.step(timer("sync"));
  queue.append(record(3));
  queue.step(synced(1));
  assert.equal(show(queue.step(failed(1))), "close1 fault 250 arm retry");
  assert.equal(show(queue.append(record(4))), "", "not while it waits");
  assert.equal(show(queue.step(written(1))), "", "what the old file says does not count");
  assert.equal(show(queue.step(timer("retry"))), "open2@2");
  assert.equal(show(queue.step(failed(2))), "close2 fault 500 arm retry");
  assert.equal(show(queue.step(timer("retry"))), "open3@2");
  assert.equal(show(queue.step(opened(3))), "write3:3,4", "the timer is still set");
  assert.equal(queue.failing, true);
  queue.step(written(3));
  assert.equal(show(queue.step(timer("sync"))), "sync3");
  assert.equal(show(queue.step(synced(3))), "recovered");
  assert.equal(queue.failing, false);
});

test("a new journal is begun only when the old one is synced to its end", () => {
  const queue = withTwoWritten();
  assert.equal(show(queue.begin({ epoch: 1, tick: 2 }, false)), "sync1");
  assert.equal(show(queue.append(record(3))), "");
  assert.equal(show(queue.step(synced(1))), "close1 open2@2");
});

test("a held journal waits for its snapshot, or is dropped with it", () => {
  const queue = withTwoWritten();
  queue.begin({ epoch: 1, tick: 5 }, true);
  queue.append(record(6));
  assert.equal(show(queue.step(synced(1))), "", "synced to its end, and no further");
  assert.equal(show(queue.release()), "close1 open2@5");

  const other = withTwoWritten();
  other.begin({ epoch: 1, tick: 5 }, true);
  other.append(record(6));
  other.dropHeld();
  assert.equal(other.lastAppended, 2);
  other.step(synced(1));
  assert.equal(other.waitingBytes, 0);
});

test("the queue is bounded, but takes one delta of any size", () => {
  const queue = begun();
  assert.equal(queue.hasRoom(5000), true);
  queue.append(record(1, 900));
  assert.equal(queue.hasRoom(50), true);
  assert.equal(queue.hasRoom(100), false);
});
