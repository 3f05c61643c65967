import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { exitOf, runNode, ScriptError } from "./run.mjs";
import { root } from "./workspace.mjs";

const cli = path.join(root, "cli", "dist", "main.js");

/** Below the range that systems hand out by themselves, so that no client's port gets in the way. */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

/** Ports on the loopback that were free a moment ago. */
export async function freePorts(count) {
  const ports = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > 200) throw new ScriptError("Found no free port between 20000 and 32000.");
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (!ports.includes(port) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

async function isFree(port) {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    // Taken, or not allowed: the caller tries another.
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}

/**
 * Starts the built command line's monolith with the example worlds.
 * @param {{dataDir: string, args?: string[]}} options
 */
export async function startMonolith({ dataDir, args = [] }) {
  const [port, healthPort, httpPort] = await freePorts(3);
  const settings = {
    "proxy.host": "127.0.0.1",
    "proxy.port": port,
    "health.port": healthPort,
    "apiserver.port": 0,
    "http.host": "127.0.0.1",
    "http.port": httpPort,
    "data.dir": dataDir,
  };
  return { ...startServer("monolith", settings, args), pages: `http://127.0.0.1:${httpPort}` };
}

/**
 * Starts a gameserver with the arena and a proxy before it, as two processes with a CA in a folder.
 * @param {{dir: string}} options a folder for all of it
 */
export async function startCluster({ dir }) {
  const [linksPort, healthPort, port, proxyHealthPort] = await freePorts(4);
  const ca = path.join(dir, "ca");
  await runNode([cli, "ca", "init", "--dir", ca], { capture: true });
  const gameserver = startServer("gameserver", {
    "node.id": "gs-1",
    "links.host": "127.0.0.1",
    "links.port": linksPort,
    "health.port": healthPort,
    "data.dir": path.join(dir, "gs-1"),
    "identity.ca": ca,
    world: `arena=${path.join(root, "examples", "arena")}`,
  });
  const proxy = startServer("proxy", {
    "node.id": "edge-1",
    "links.peers": `gs-1=127.0.0.1:${linksPort}`,
    "proxy.host": "127.0.0.1",
    "proxy.port": port,
    "health.port": proxyHealthPort,
    "data.dir": path.join(dir, "edge-1"),
    "identity.ca": ca,
  });
  return { gameserver, proxy };
}

/** Starts a server of the built command line. */
function startServer(command, settings, args = []) {
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(process.execPath, [cli, command, ...flags, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = [];
  child.stdout.on("data", (chunk) => output.push(chunk));
  child.stderr.on("data", (chunk) => output.push(chunk));
  return {
    child,
    exit: exitOf(child),
    players: `ws://127.0.0.1:${settings["proxy.port"]}`,
    health: `http://127.0.0.1:${settings["health.port"]}`,
    /** Everything the server has written so far. */
    output: () => Buffer.concat(output).toString("utf8"),
  };
}

/** Waits until `/ready` answers 200. @throws ScriptError when the server ends or time is up */
export async function untilReady(server, timeoutMs) {
  const deadline = Date.now() + timeoutMs;
  let last = "no answer";
  while (Date.now() < deadline) {
    if (server.child.exitCode !== null)
      throw new ScriptError(`The server ended with exit code ${server.child.exitCode}.`);
    try {
      const answer = await fetch(`${server.health}/ready`);
      if (answer.status === 200) return;
      last = `${answer.status} ${await answer.text()}`;
    } catch (error) {
      last = error.cause?.code ?? error.message;
    }
    await delay(100);
  }
  throw new ScriptError(`Not ready after ${timeoutMs} ms: ${last}`);
}
