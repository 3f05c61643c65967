import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import type { Child, ChildExit } from "./child.ts";
import { ManagedNode } from "./managed-node.ts";
import { NO_FIGURES } from "./metrics-text.ts";
import type { Health, Probe } from "./probe.ts";

const READY: Health = { answers: true, ready: true, draining: false, reason: "" };
const SILENT: Health = { answers: false, reason: "no answer within 2000 ms" };
const RESTARTS = { firstWaitMs: 100, longestWaitMs: 1_000, maxRestarts: 2, windowMs: 60_000 };

/** A process that does what the test says. */
class FakeChild implements Child {
  readonly exited: Promise<ChildExit>;
  asked = 0;
  killed = 0;
  readonly pid: number;
  end: (exit: ChildExit) => void = () => undefined;

  constructor(pid: number) {
    this.pid = pid;
    this.exited = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  askToStop(): void {
    this.asked += 1;
  }

  kill(): void {
    this.killed += 1;
    this.end({ code: undefined, text: "was ended by SIGKILL" });
  }
}

function scene(restarts = RESTARTS) {
  const clock = new SimClock();
  const children: FakeChild[] = [];
  const said: string[] = [];
  const says: Probe = { health: SILENT, figures: NO_FIGURES };
  const now = { says };
  const node = new ManagedNode(
    { node: "gs-1", restarts, stopTimeoutMs: 5_000 },
    {
      clock,
      spawn: (first) => {
        const child = new FakeChild(children.length + 1);
        children.push(child);
        said.push(first ? "spawn" : "spawn again");
        return child;
      },
      probe: () => Promise.resolve(now.says),
      changed: (state, note) => said.push(note === "" ? state : `${state}: ${note}`),
    },
  );
  /** Lets so much time pass, with what comes of it. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(Math.min(100, left));
      await settle();
    }
  };
  const dies = async (code = 1) => {
    children.at(-1)?.end({ code, text: `exited with code ${code}` });
    await settle();
  };
  return { node, children, said, now, pass, dies };
}

const health = (health: Health, cpuSeconds?: number): Probe => ({
  health,
  figures: { ...NO_FIGURES, cpuSeconds },
});

test("it is starting until it is ready, then ready or failing", async () => {
  const { node, said, now, pass } = scene();
  node.start();
  await pass(1_000);
  now.says = health({ answers: true, ready: false, draining: false, reason: "worlds: opening" });
  await pass(1_000);
  assert.equal(node.state, "starting");
  now.says = health(READY);
  await pass(1_000);
  now.says = health(SILENT);
  await pass(1_000);
  now.says = health(READY);
  await pass(1_000);
  now.says = health({ answers: true, ready: false, draining: true, reason: "draining: it stops" });
  await pass(1_000);
  assert.deepEqual(said, [
    "spawn",
    "starting",
    "ready",
    "failing: no answer within 2000 ms",
    "ready",
    "draining",
  ]);
});

test("the share of the CPU is what was used between two looks", async () => {
  const { node, now, pass } = scene();
  node.start();
  now.says = health(READY, 10);
  await pass(200);
  assert.equal(node.cores, undefined);
  now.says = health(READY, 10.5);
  await pass(1_000);
  assert.equal(node.cores, 0.5);
});

test("one that dies is started again, after growing waits, until it died too often", async () => {
  const { node, children, said, now, pass, dies } = scene();
  node.start();
  now.says = health(READY);
  await pass(200);
  await dies(1);
  assert.equal(node.pid, undefined);
  await pass(100);
  assert.deepEqual([node.state, node.pid, node.restarts], ["starting", 2, 1]);
  await dies(7);
  await pass(100);
  assert.equal(node.state, "restarting");
  await pass(100);
  await dies(1);
  await pass(60_000);
  assert.deepEqual(said, [
    "spawn",
    "starting",
    "ready",
    "restarting: exited with code 1; starts again in 0.1 s",
    "spawn again",
    "starting: again",
    "restarting: exited with code 7; starts again in 0.2 s",
    "spawn again",
    "starting: again",
    "exited: exited with code 1 and stays down: it was restarted 2 times within 60 s",
  ]);
  assert.equal(children.length, 3);
  assert.equal(node.over, true);
});

test("a configuration that cannot be used will not get better", async () => {
  const { node, said, pass, dies } = scene();
  node.start();
  await dies(2);
  await pass(60_000);
  assert.deepEqual(said.slice(2), ["exited: exited with code 2: its configuration cannot be used"]);
});

test("without restarts it stays down", async () => {
  const { node, said, pass, dies } = scene({ ...RESTARTS, maxRestarts: 0 });
  node.start();
  await dies(1);
  await pass(60_000);
  assert.deepEqual(said.slice(2), ["exited: exited with code 1 and stays down"]);
});

test("a stop asks once and waits; what it says while stopping changes nothing", async () => {
  const { node, children, said, now, pass, dies } = scene();
  node.start();
  let stopped = false;
  const stops = Promise.all([node.stop(), node.stop()]).then(() => {
    stopped = true;
  });
  now.says = health(READY);
  await pass(1_000);
  assert.deepEqual([stopped, node.state, children[0]?.asked], [false, "draining", 1]);
  await dies(0);
  await stops;
  await pass(60_000);
  assert.deepEqual(said.slice(2), ["draining", "exited"]);
});

test("one that does not stop in time is killed", async () => {
  const { node, children, said, pass } = scene();
  node.start();
  const stopped = node.stop();
  await pass(5_000);
  await stopped;
  assert.equal(children[0]?.killed, 1);
  assert.deepEqual(said.slice(2), [
    "draining",
    "draining: did not stop within 5 s and is killed",
    "exited",
  ]);
});

test("a stop or a kill while it waits to be started again: it is not", async () => {
  for (const how of ["stop", "kill"] as const) {
    const { node, children, pass, dies } = scene();
    node.start();
    await dies(1);
    assert.equal(node.state, "restarting");
    await node[how]();
    await pass(60_000);
    assert.deepEqual([node.state, children.length], ["exited", 1], how);
  }
});

test("one that is rolled ends in order and starts again at once; that is no restart", async () => {
  const { node, children, said, now, pass, dies } = scene();
  node.start();
  now.says = health(READY);
  await pass(200);
  let rolled = false;
  const roll = node.roll().then(() => {
    rolled = true;
  });
  // The old process still says that it is ready.
  await pass(1_000);
  assert.deepEqual([rolled, node.state, children[0]?.asked], [false, "draining", 1]);
  now.says = health(SILENT);
  await dies(0);
  await pass(1_000);
  assert.deepEqual([rolled, node.state, node.pid], [false, "starting", 2]);
  now.says = health(READY);
  await pass(200);
  await roll;
  assert.equal(node.restarts, 0);
  assert.deepEqual(said.slice(3), [
    "draining: is rolled",
    "spawn again",
    "starting: again",
    "ready",
  ]);
});

test("one that does not come back, or is stopped meanwhile, was not rolled", async () => {
  const { node, now, pass, dies } = scene({ ...RESTARTS, maxRestarts: 0 });
  node.start();
  now.says = health(READY);
  await pass(200);
  now.says = health(SILENT);
  const failed = assert.rejects(node.roll(), /gs-1 is exited/);
  await dies(0);
  await dies(1);
  await failed;

  const other = scene();
  other.node.start();
  other.now.says = health(READY);
  await other.pass(200);
  const stopped = assert.rejects(other.node.roll(), /gs-1 is exited/);
  const stop = other.node.stop();
  await other.dies(0);
  await Promise.all([stopped, stop]);
  assert.equal(other.children.length, 1);
});
