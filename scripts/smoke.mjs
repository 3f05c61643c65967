// npm run smoke: starts the built server as its users do, joins the arena over WebSocket and TCP,
// stops it, and starts it again on the same data; then the same with a gameserver and a proxy as
// processes of their own; then the README's walk of a cluster, as it stands there (not with --brief). Runs on whatever
// Node runs this script; other arguments go on to the first server.
import "./lib/check-node.mjs";
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "./lib/build.mjs";
import { main, ScriptError } from "./lib/run.mjs";
import { startCluster, startMonolith, untilReady } from "./lib/server.mjs";
import { Steps } from "./lib/steps.mjs";
import { Walk } from "./lib/walk.mjs";
import { root } from "./lib/workspace.mjs";

/** How long each wait may take: far longer than it does, for a machine that is busy. */
const PATIENCE_MS = 20_000;

const OWN_FLAGS = ["--no-build", "--brief"];

const steps = new Steps("smoke");

await main(async () => {
  if (!process.argv.includes("--no-build")) await build();
  const work = mkdtempSync(path.join(tmpdir(), "atlasnet-smoke-"));
  try {
    const first = await session(work, "first start", async (server) => {
      await dialStep("first start", server);
      const tick = await joinBoth(server);
      await steps.step("a page is served", async () => {
        const page = await fetch(server.pages);
        assert.equal(page.status, 200);
        assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
      });
      await metricsStep("metrics are served, and documented", server);
      return tick;
    });
    await session(work, "second start", async (server) => {
      await dialStep("second start", server);
      const tick = await joinBoth(server);
      await steps.step("the world went on from where it was", () => {
        assert.ok(first !== undefined && tick !== undefined, "one of the joins failed");
        assert.ok(tick > first, `tick ${tick} after tick ${first}`);
      });
    });
    if (hasQuic()) await cluster(path.join(work, "cluster"));
    if (hasQuic() && process.platform !== "win32" && !process.argv.includes("--brief"))
      await walk(path.join(work, "walk"));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  steps.report();
});

/** A server from start to stop, with `body` while it is ready. */
async function session(dataDir, name, body) {
  const args = process.argv.slice(2).filter((arg) => !OWN_FLAGS.includes(arg));
  return whileRunning(await startMonolith({ dataDir, args }), name, body);
}

/** A gameserver and a proxy as processes of their own. */
async function cluster(dir) {
  const { gameserver, proxy } = await startCluster({ dir });
  try {
    await whileRunning(gameserver, "gameserver", () =>
      whileRunning(proxy, "proxy", async () => {
        await dialStep("proxy", proxy);
        await joinBoth(proxy);
        await metricsStep("a gameserver's metrics are documented", gameserver);
        await metricsStep("a proxy's metrics are documented", proxy);
      }),
    );
  } finally {
    // Where the gameserver did not come up, nobody has stopped the proxy.
    proxy.child.kill("SIGKILL");
  }
}

/** The README's cluster walk, command by command. */
async function walk(dir) {
  const name = (what) => `the README's cluster: ${what}`;
  const shell = await Walk.open(dir);
  try {
    const started = await steps.step(name("seven servers start"), async () => {
      await shell.run("start");
      await shell.allRunning(7, 2 * PATIENCE_MS);
    });
    if (!started) return;
    await steps.step(name("a world is made and runs"), async () => {
      await shell.run("world");
      await shell.until("atlasnet world ls | grep -q '^arena *owned'", PATIENCE_MS);
    });
    await steps.step(name("players come in"), () => shell.run("play"));
    await steps.step(name("the world moves while they play"), () => shell.run("move"));
    await steps.step(name("the leader is killed, and all goes on"), () => shell.run("kill"));
  } finally {
    const before = steps.count.failed;
    await shell.close();
    if (before > 0) console.log(`--- what the shell said\n${shell.said}---`);
  }
}

/** The QUIC library has no build for this kind of machine. */
function hasQuic() {
  return !(process.platform === "linux" && process.arch === "arm64");
}

/** Waits until a server is ready, does something with it, and stops it. */
async function whileRunning(server, name, body) {
  const before = steps.count.failed;
  let result;
  try {
    const ready = await steps.step(`${name}: ready`, () => untilReady(server, PATIENCE_MS));
    if (ready) result = await body(server);
    if (process.platform !== "win32")
      await steps.step(`${name}: SIGTERM ends it with exit code 0`, async () => {
        server.child.kill("SIGTERM");
        assert.equal(await inTime(server.exit, "the end of the server"), 0);
      });
  } finally {
    // On Windows, and where it did not stop when asked: nothing is left behind.
    if (server.child.exitCode === null) server.child.kill("SIGKILL");
    await server.exit;
    if (steps.count.failed > before) console.log(`--- what the server said\n${server.output()}---`);
  }
  return result;
}

function dialStep(name, server) {
  return steps.step(`${name}: ready means that the player port is open`, () => dial(server));
}

function metricsStep(name, server) {
  return steps.step(name, async () => {
    const metrics = await fetch(`${server.health}/metrics`);
    assert.equal(metrics.status, 200);
    const names = [...(await metrics.text()).matchAll(/^# TYPE (atlasnet_\w+)/gm)];
    assert.ok(names.length > 0, "no metric of ours");
    const documented = readFileSync(path.join(root, "docs", "operations.md"), "utf8");
    const missing = names.map(([, it]) => it).filter((it) => !documented.includes(`\`${it}\``));
    assert.deepEqual(missing, [], "docs/operations.md does not list these");
  });
}

/** Connects once, without trying again as a client would. */
async function dial(server) {
  const { hostname, port } = new URL(server.players);
  const socket = connectSocket(Number(port), hostname);
  await inTime(once(socket, "connect"), "a connection");
  socket.destroy();
}

/** Two players, one per transport. Returns the newest tick they heard of. */
async function joinBoth(server) {
  let newest;
  for (const [name, url] of [
    ["WebSocket", server.players],
    ["TCP", server.players.replace("ws:", "tcp:")],
  ])
    await steps.step(`a client joins the arena over ${name}, sees itself and walks`, async () => {
      newest = await joinAndWalk(url, name);
    });
  return newest;
}

async function joinAndWalk(url, name) {
  const { connect } = await installed("@atlasnet/client");
  const { definition } = await installed("@atlasnet/example-arena");
  const client = connect({ url });
  try {
    const world = await client.join(definition, { world: "arena", params: { name } });
    const own = await inTime(
      until(world, () => world.own),
      "the own entity",
    );
    assert.equal(own.fighter?.name, name);
    const { x, y } = own.position;
    // Towards the middle, where there is room; walked until the server says so.
    const dx = x < 500 ? 1 : -1;
    const dy = y < 500 ? 1 : -1;
    const moved = until(world, () => {
      world.input("move", { dx, dy });
      const now = world.own?.position;
      return now !== undefined && (now.x !== x || now.y !== y);
    });
    await inTime(moved, "a step");
    const { tick } = world;
    await world.leave();
    return tick;
  } finally {
    client.close();
  }
}

/** Looks after every state message until there is something to see. */
function until(world, look) {
  return new Promise((resolve) => {
    const stop = world.onTick(() => {
      const seen = look();
      if (!seen) return;
      stop();
      resolve(seen);
    });
  });
}

async function inTime(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new ScriptError(`Waited ${PATIENCE_MS} ms for ${what}.`)),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A package of this workspace, by its own exports. */
function installed(name) {
  return import(name);
}
