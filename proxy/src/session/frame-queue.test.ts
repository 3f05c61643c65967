import assert from "node:assert/strict";
import { test } from "node:test";
import type { FeedOutput, FeedUpdates } from "./client-feed.ts";
import { FrameQueue } from "./frame-queue.ts";

const UPDATES: FeedUpdates = { maxBytes: 0, send: () => {} };

function scene() {
  const sent: [name: string, frames: Uint8Array][] = [];
  const output = (name: string, backlogBytes = 0, updates?: FeedUpdates): FeedOutput => ({
    framing: "length",
    backlogBytes,
    updates,
    sendFrames: (bytes) => void sent.push([name, bytes]),
    sendSections: () => {},
    applied: () => {},
    requestResync: () => {},
    overflowed: () => {},
  });
  return { queue: new FrameQueue(), output, sent };
}

test("nothing is sent before all is made, and then once and in order", () => {
  const { queue, output, sent } = scene();
  const [one, two] = [Uint8Array.of(1), Uint8Array.of(2)];
  queue.put(output("a"), one);
  queue.put(output("b"), two);
  assert.deepEqual(sent, []);
  assert.equal(queue.send(), false);
  assert.deepEqual(sent, [
    ["a", one],
    ["b", two],
  ]);
  assert.equal(queue.send(), false);
  assert.equal(sent.length, 2);
});

test("it is said when a socket holds frames; where updates go apart they are copies", () => {
  const { queue, output } = scene();
  queue.put(output("a", 10, UPDATES), Uint8Array.of(1));
  assert.equal(queue.send(), false);
  queue.put(output("a", 10), Uint8Array.of(1));
  queue.put(output("b"), Uint8Array.of(1));
  assert.equal(queue.send(), true);
});
