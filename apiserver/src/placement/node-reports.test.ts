import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeLoad } from "@atlasnet/core";
import { nodeRecord } from "@atlasnet/core/testing";
import { NodeEntry } from "./entries.ts";
import { NodeReports, reportedLoad } from "./node-reports.ts";

const IDLE: NodeLoad = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };

function setUp() {
  const node = new NodeEntry("gs-1");
  node.record = {
    ...nodeRecord(),
    cordoned: false,
    capacity: { weight: 10, sessions: 100, memoryBytes: 0 },
  };
  const occupancy = { roomVersion: 0 };
  const settings = { overloadedAt: 0.9, balance: { strainedAt: 0.8, hysteresis: 0.1 } };
  const reports = new NodeReports(settings, { nodes: new Map([["gs-1", node]]), occupancy });
  return { node, occupancy, reports };
}

test("the load is that of what is most used; what has no bound counts as none", () => {
  const { node, reports } = setUp();
  assert.equal(reportedLoad(node), 0);
  reports.load("gs-1", { ...IDLE, sessions: 70, busy: 0.5, memoryBytes: 1e12 }, 1);
  assert.equal(reportedLoad(node), 0.7);
  node.record = undefined;
  assert.equal(reportedLoad(node), 0);
});

test("there may be room again when an overload is over, and only then", () => {
  const { node, occupancy, reports } = setUp();
  reports.load("gs-1", { ...IDLE, busy: 0.95 }, 1);
  assert.equal(reports.isOverloaded(node), true);
  reports.load("gs-1", { ...IDLE, busy: 0.91 }, 2);
  assert.equal(occupancy.roomVersion, 0);
  reports.load("gs-1", { ...IDLE, busy: 0.89 }, 3);
  assert.equal(occupancy.roomVersion, 1);
  reports.load("gs-1", IDLE, 4);
  assert.equal(occupancy.roomVersion, 1);
});

test("strain that swings about its mark counts from its beginning, until it has fallen by the hysteresis", () => {
  const { node, reports } = setUp();
  const since = (busy: number, now: number) => {
    reports.load("gs-1", { ...IDLE, busy }, now);
    return node.strainedSince;
  };
  assert.equal(since(0.79, 1), undefined);
  assert.equal(since(0.8, 2), 2);
  assert.equal(since(0.71, 3), 2);
  assert.equal(since(0.9, 4), 2);
  assert.equal(since(0.69, 5), undefined);
  assert.equal(since(0.81, 6), 6);
});

test("a report of a node that nobody knows changes nothing", () => {
  const { node, occupancy, reports } = setUp();
  reports.load("gs-2", { ...IDLE, busy: 1 }, 1);
  reports.asleep("gs-2", undefined);
  assert.equal(node.load, undefined);
  assert.equal(occupancy.roomVersion, 0);
});
