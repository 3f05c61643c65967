import assert from "node:assert/strict";
import { test } from "node:test";
import type { Announcement } from "@atlasnet/core";
import { HISTORY, MAX_SERVERS, REMOVE_MS, ServerTable, STALE_MS } from "./server-table.ts";

function announcement(server: string, seq: number, events = 0): Announcement {
  return {
    v: 1,
    server,
    seq,
    connected_clients: 0,
    events_per_sec: events,
    tick_hz: 20,
    worlds: [],
    more_worlds: 0,
    tcp: ":2557",
  };
}

test("a silent server is stale after three seconds and gone after a minute", () => {
  const table = new ServerTable();
  table.take(announcement("b", 1), "10.0.0.2", 0);
  table.take(announcement("a", 1), "10.0.0.1", 1_000);
  const at = (now: number) =>
    table.list(now).map(({ announcement: { server }, stale, ageMs }) => [server, stale, ageMs]);
  assert.deepEqual(at(STALE_MS - 1), [
    ["a", false, 1_999],
    ["b", false, 2_999],
  ]);
  assert.deepEqual(at(STALE_MS), [
    ["a", false, 2_000],
    ["b", true, 3_000],
  ]);
  table.take(announcement("b", 2), "10.0.0.2", STALE_MS);
  assert.equal(at(STALE_MS)[1]?.[1], false, "it is back");
  assert.deepEqual(at(REMOVE_MS + 1_000), [["b", true, REMOVE_MS + 1_000 - STALE_MS]]);
  assert.deepEqual(at(REMOVE_MS + STALE_MS), []);
});

test("a server that falls silent is told of once, and again after it came back", () => {
  const table = new ServerTable();
  table.take(announcement("a", 1), "", 0);
  assert.deepEqual(table.newlyStale(STALE_MS - 1), []);
  assert.deepEqual(table.newlyStale(STALE_MS), ["a"]);
  assert.deepEqual(table.newlyStale(STALE_MS + 1), []);
  table.take(announcement("a", 2), "", 5_000);
  assert.deepEqual(table.newlyStale(5_000 + STALE_MS), ["a"]);
});

test("history is of the last seconds, with holes where announcements did not come", () => {
  const table = new ServerTable();
  table.take(announcement("a", 1, 10), "", 0);
  table.take(announcement("a", 4, 40), "", 3_000);
  assert.deepEqual(table.get("a")?.history, [10, undefined, undefined, 40]);
  assert.equal(table.get("a")?.missed, 2);
  table.take(announcement("a", 1, 5), "", 4_000);
  assert.deepEqual(table.get("a")?.history.slice(-2), [40, 5], "a restart is no loss");
  table.take(announcement("a", 1_000_000, 6), "", 5_000);
  assert.equal(table.get("a")?.history.length, HISTORY);
  assert.equal(table.get("a")?.history.at(-1), 6);
});

test("servers are bounded; room comes with those that are gone", () => {
  const table = new ServerTable();
  for (let n = 0; n < MAX_SERVERS; n++) assert.ok(table.take(announcement(`s${n}`, 1), "", n));
  assert.equal(table.take(announcement("late", 1), "", 1_000), false);
  assert.ok(table.take(announcement("s0", 2), "", 1_000), "who is known stays");
  assert.equal(table.refused, 1);
  assert.ok(table.take(announcement("late", 2), "", REMOVE_MS + 1));
});
