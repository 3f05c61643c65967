import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import { FollowedTopic } from "./followed-topic.ts";
import { renderServers, renderTopic, sparkline } from "./render.ts";
import type { ShownServer } from "./server-table.ts";

const SERVER: ShownServer = {
  announcement: {
    v: 1,
    server: "game-1",
    seq: 7,
    connected_clients: 12,
    events_per_sec: 119.5,
    tick_hz: 20,
    worlds: [],
    more_worlds: 0,
    tcp: ":2557",
  },
  source: "10.0.0.1",
  heardAt: 0,
  history: [0, 60, undefined, 119.5],
  missed: 1,
  ageMs: 400,
  stale: false,
};

test("the history is scaled to its highest, and blank where nothing came", () => {
  assert.equal(sparkline([0, 50, undefined, 100]), "▁▅ █");
  assert.equal(sparkline([0, 0]), "▁▁");
  assert.equal(sparkline([]), "");
});

test("a row per server, cut to the terminal", () => {
  assert.deepEqual(renderServers([SERVER, { ...SERVER, stale: true }], 80), [
    "SERVER               CLIENTS  EVENTS/S TICK HZ    AGE  LAST 30 S",
    "game-1                    12     119.5    20.0  0.4 s  ▁▅ █",
    "game-1                    12     119.5    20.0  stale  ▁▅ █",
  ]);
  const narrow = renderServers([{ ...SERVER, history: new Array(30).fill(1) }], 60);
  assert.ok(narrow.every((line) => line.length <= 60));
  assert.deepEqual(renderServers([], 80)[1], "no server was heard yet");
});

test("texts of players reach the terminal without what it would act on", () => {
  const topic = new FollowedTopic({
    clock: new SimClock(),
    fetchTopic: () => Promise.resolve([]),
    fetchDefinition: () => Promise.reject(new Error("none")),
  });
  const look = { name: "\u001b[2J\u009b2J\u202e", bytes: Uint8Array.of(1) };
  topic.lastChange = { tick: 1, full: true, enter: [{ id: 3, look }], update: [], leave: [] };
  const lines = renderTopic("g", "arena/lobby", topic, 100);
  assert.match(lines[0] ?? "", /^arena\/lobby on g: 0 entities at tick -1, 0 changes, 0 gaps/);
  assert.equal(lines[1], '  #3 look {"name":"\\u001b[2J?2J?","bytes":"AQ=="}');
});
