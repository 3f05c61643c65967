import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeUpdates } from "@atlasnet/core";
import type { ClientConnection, SentUpdates } from "../gateway/client-connection.ts";
import { frame } from "../session/framing.ts";
import { PlayerOutput } from "./player-output.ts";

const u8 = Uint8Array.of.bind(Uint8Array);
const SENT: SentUpdates = { tick: 1, topics: [] };

function scene({ datagrams = false } = {}) {
  const frames: Uint8Array[] = [];
  const updates: Uint8Array[] = [];
  const events: unknown[] = [];
  const connection: ClientConnection = {
    transport: datagrams ? "udp" : "framed",
    remoteAddress: "192.0.2.1",
    framing: "length",
    closing: false,
    backlogBytes: 100,
    send: () => assert.fail("items go in frames"),
    sendFrames: (bytes) => void frames.push(bytes),
    close: () => {},
    pause: () => {},
    resume: () => {},
    ...(datagrams
      ? { datagrams: { maxUpdatesBytes: 50, sendUpdates: (packed) => void updates.push(packed) } }
      : {}),
  };
  const output = new PlayerOutput(connection, {
    attachment: { applied: (seq) => events.push(seq) },
    player: {
      requestResync: () => events.push("resync"),
      overflowed: () => events.push("overflowed"),
    },
  });
  return { output, frames, updates, events };
}

test("from an attach to its welcome all is held in order, copied, and counted as backlog", () => {
  const { output, frames } = scene();
  output.hold();
  const bytes = u8(1, 2, 3);
  output.sendFrames(bytes);
  bytes.fill(9);
  output.item(u8(4));
  const item = frame("length", u8(4));
  assert.deepEqual([frames, output.backlogBytes], [[], 103 + item.length]);
  output.release();
  assert.deepEqual(frames, [u8(1, 2, 3), item]);
  output.sendFrames(u8(5));
  assert.deepEqual(frames.at(-1), u8(5));
  assert.equal(output.backlogBytes, 100);
});

test("what is held for a welcome that does not come goes nowhere", () => {
  const { output, frames } = scene();
  output.hold();
  output.sendFrames(u8(1));
  output.drop();
  assert.equal(output.backlogBytes, 100);
  output.release();
  output.sendFrames(u8(2));
  assert.deepEqual(frames, [u8(2)]);
});

test("updates go apart where the connection has a path for them, and in frames while they are held", () => {
  assert.equal(scene().output.updates, undefined);
  const { output, frames, updates } = scene({ datagrams: true });
  assert.equal(output.updates?.maxBytes, 50);
  output.hold();
  output.send(u8(1), SENT);
  output.release();
  output.send(u8(2), SENT);
  assert.deepEqual(frames, [frame("length", encodeUpdates(u8(1)))]);
  assert.deepEqual(updates, [u8(2)]);
});

test("what the feed learns is said to those who act on it", () => {
  const { output, events } = scene();
  output.applied(7);
  output.requestResync();
  output.overflowed();
  assert.deepEqual(events, [7, "resync", "overflowed"]);
});
