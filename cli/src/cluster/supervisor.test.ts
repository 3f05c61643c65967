import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { systemClock } from "@atlasnet/core/system";
import { startChild } from "./child.ts";
import { layoutCluster } from "./layout.ts";
import { NO_FIGURES } from "./metrics-text.ts";
import { Supervisor } from "./supervisor.ts";
import { fakeProcesses } from "./testing/fake-process.ts";

const RESTARTS = { firstWaitMs: 1, longestWaitMs: 1, maxRestarts: 2, windowMs: 60_000 };

/** A cluster of fake processes: ready as soon as they print. */
async function scene(t: TestContext, { kind = "steady", stopTimeoutMs = 60_000 } = {}) {
  const fake = await fakeProcesses(t);
  const plans = layoutCluster({ proxies: 2, gameservers: 2, basePort: 2555, worlds: ["a"] });
  const up = new Set<string>();
  const said: string[] = [];
  const waiting: (() => void)[] = [];
  const supervisor = new Supervisor(
    { plans, restarts: RESTARTS, stopTimeoutMs },
    {
      clock: systemClock,
      spawn: ({ node }) =>
        startChild(fake(kind), (line) => {
          if (line === "up") up.add(node);
        }),
      probe: ({ node }) =>
        Promise.resolve({
          health: up.has(node)
            ? { answers: true, ready: true, draining: false, reason: "" }
            : { answers: false, reason: "" },
          figures: NO_FIGURES,
        }),
      changed: ({ node }, state, note) => {
        if (state === "restarting" || note === "again") up.delete(node);
        said.push(`${node} ${state}`);
        for (const resolve of waiting.splice(0)) resolve();
      },
    },
  );
  t.after(() => {
    supervisor.kill();
    return supervisor.allOver();
  });
  const reached = async (state: () => boolean) => {
    while (!state()) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { supervisor, said, reached };
}

test("all become ready; they stop in order, proxies before gameservers", async (t) => {
  const { supervisor, said } = await scene(t);
  supervisor.start();
  await supervisor.allReady();
  assert.deepEqual(
    supervisor
      .rows()
      .map(({ node, state, serves, linksWanted }) => [node, state, serves, linksWanted]),
    [
      ["proxy-1", "ready", ":2555", 2],
      ["proxy-2", "ready", ":2565", 2],
      ["gs-1", "ready", "a", 2],
      ["gs-2", "ready", "", 2],
    ],
  );
  said.length = 0;
  await Promise.all([supervisor.stop(), supervisor.stop()]);
  await supervisor.allOver();
  assert.deepEqual(said.slice(0, 2), ["proxy-1 draining", "proxy-2 draining"]);
  assert.deepEqual(said.slice(2, 4).sort(), ["proxy-1 exited", "proxy-2 exited"]);
  assert.deepEqual(said.slice(4, 6), ["gs-1 draining", "gs-2 draining"]);
  assert.deepEqual(said.slice(6).sort(), ["gs-1 exited", "gs-2 exited"]);
});

test("one that is killed comes back under another process id; the others do not notice", async (t) => {
  const { supervisor, said, reached } = await scene(t);
  supervisor.start();
  await supervisor.allReady();
  const before = supervisor.pidOf("proxy-1");
  assert.ok(before !== undefined);
  said.length = 0;
  process.kill(before, "SIGKILL");
  await reached(() => said.includes("proxy-1 ready"));
  assert.deepEqual(said, ["proxy-1 restarting", "proxy-1 starting", "proxy-1 ready"]);
  assert.notEqual(supervisor.pidOf("proxy-1"), before);
  assert.equal(supervisor.rows()[0]?.restarts, 1);
});

test("all are rolled one by one, each ready before the next; one roll at a time", async (t) => {
  const { supervisor, said } = await scene(t);
  supervisor.start();
  await supervisor.allReady();
  said.length = 0;
  const rolled: string[] = [];
  const roll = supervisor.roll((node) => rolled.push(node));
  await assert.rejects(
    supervisor.roll(() => undefined),
    /is being rolled already/,
  );
  await roll;
  const nodes = ["proxy-1", "proxy-2", "gs-1", "gs-2"];
  assert.deepEqual(rolled, nodes);
  assert.deepEqual(
    said,
    nodes.flatMap((node) => ["draining", "starting", "ready"].map((state) => `${node} ${state}`)),
  );
});

test("when all crash again and again, it is over", async (t) => {
  const { supervisor, said } = await scene(t, { kind: "crash" });
  supervisor.start();
  await supervisor.allOver();
  const states = said.filter((text) => text.startsWith("gs-1")).map((text) => text.slice(5));
  assert.deepEqual(states, [
    "starting",
    ...["restarting", "starting"],
    ...["restarting", "starting"],
    "exited",
  ]);
});

test("those that do not stop are ended", async (t) => {
  const { supervisor } = await scene(t, { kind: "stubborn", stopTimeoutMs: 50 });
  supervisor.start();
  await supervisor.allReady();
  await supervisor.stop();
  assert.ok(supervisor.rows().every(({ state, pid }) => state === "exited" && pid === undefined));
});
