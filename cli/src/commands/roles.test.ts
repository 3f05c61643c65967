import assert from "node:assert/strict";
import test from "node:test";
import type { ApiserverProcess } from "@atlasnet/apiserver";
import type { Config, LoadedConfig } from "@atlasnet/core";
import type { GameserverProcess } from "@atlasnet/gameserver";
import type { ProxyProcess } from "@atlasnet/proxy";
import type { CliDependencies } from "../program.ts";
import { runCommand } from "../testing/command.ts";

const identity = { cluster: "demo", notAfter: Date.UTC(2031, 4, 6) };
const health = { host: "127.0.0.1", port: 4002 };

type Calls = (Config | LoadedConfig | string)[];

/** What all roles do when they are asked to; `fail` is what `start` rejects with. */
function life(calls: Calls, fail: Error | undefined) {
  const note = (name: string) => {
    calls.push(name);
    return Promise.resolve();
  };
  return {
    start: () => (fail === undefined ? note("start") : Promise.reject(fail)),
    drain: (deadlineMs: number) => note(`drain ${deadlineMs}`),
    stop: () => note("stop"),
  };
}

function roles(calls: Calls, fail?: Error): CliDependencies {
  const gameserver: GameserverProcess = {
    ...life(calls, fail),
    addresses: { links: { host: "0.0.0.0", port: 4001 }, health },
    identity: { ...identity, role: "gameserver", node: "gs-1" },
    service: undefined,
  };
  const proxy: ProxyProcess = {
    ...life(calls, fail),
    addresses: { players: { host: "0.0.0.0", port: 4003, udpPort: 4003 }, health },
    identity: { ...identity, role: "proxy", node: "edge" },
    heard: () => Promise.resolve(),
  };
  const apiserver: ApiserverProcess = {
    ...life(calls, fail),
    addresses: {
      api: { host: "127.0.0.1", port: 4004 },
      links: { host: "0.0.0.0", port: 4001 },
      health,
    },
    identity: { ...identity, role: "apiserver", node: "api-1" },
    service: undefined,
  };
  return {
    loadMonolith: () => Promise.reject(new Error("no monolith in this test")),
    loadGameserver:
      async () =>
      ({ config }) => {
        calls.push(config);
        return gameserver;
      },
    loadProxy: async () => (loaded) => {
      calls.push(loaded);
      return proxy;
    },
    loadApiserver: async () => (loaded) => {
      calls.push(loaded);
      return apiserver;
    },
  };
}

const cli = (args: string[], dependencies: CliDependencies) =>
  runCommand(args, { stop: AbortSignal.abort() }, dependencies);

test("gameserver takes worlds, says where links come in and who it is, and stops in order", async () => {
  const calls: Calls = [];
  const args = ["gameserver", "--node.id", "gs-1", "--world", "a=./a.mjs", "--world=b=./b.mjs"];
  const { code, out, talk } = await cli([...args, "--node.drainMs", "77"], roles(calls));
  assert.equal(code, 0, talk);
  const [config, ...rest] = calls;
  assert.ok(typeof config === "object" && "worlds" in config);
  assert.deepEqual(
    config.worlds.map(({ name }) => name),
    ["a", "b"],
  );
  assert.deepEqual(rest, ["start", "drain 77", "stop"]);
  assert.equal(out, "");
  assert.match(talk, /AtlasNet \S+, gameserver gs-1, is running$/m);
  assert.match(talk, /Links +0\.0\.0\.0:4001 +\(UDP, from proxies\)$/m);
  assert.match(talk, /Health +http:\/\/127\.0\.0\.1:4002\/ready$/m);
  assert.match(talk, /Worlds +a, b$/m);
  assert.match(talk, /Identity +gameserver gs-1 of cluster demo, until 2031-05-06/m);
  assert.match(talk, /^Stopping: worlds are saved\. Once more to stop at once\.$/m);
});

test("proxy hands on where its settings came from, and says where players come in and its peers", async () => {
  const calls: Calls = [];
  const args = ["proxy", "--node.id=edge", "--peer", "gs-1=10.0.0.5:2556"];
  const { code, talk } = await cli(
    [...args, "--peer=gs-2=[fd00::6]:2556", "--port", "4003"],
    roles(calls),
  );
  assert.equal(code, 0, talk);
  const [loaded, ...rest] = calls;
  assert.ok(typeof loaded === "object" && "origins" in loaded);
  assert.deepEqual(loaded.origins.get("proxy.port"), { kind: "flag", name: "--port" });
  assert.deepEqual(rest, ["start", "drain 10000", "stop"]);
  assert.match(talk, /AtlasNet \S+, proxy edge, is running$/m);
  assert.match(talk, /Players +localhost:4003 +\(TCP, WebSocket, UDP\)$/m);
  assert.match(talk, /Peers +gs-1=10\.0\.0\.5:2556, gs-2=\[fd00::6\]:2556$/m);
  assert.match(talk, /Guests +welcome/m);
  assert.match(talk, /Identity +proxy edge of cluster demo, until 2031-05-06/m);
});

test("apiserver takes the list of all with commas, and says where its API is and whose token opens it", async () => {
  const calls: Calls = [];
  const list = "api-1=10.0.0.1:2556,api-2=10.0.0.2:2556";
  const args = ["apiserver", "--node.id=api-1", "--peers", list, "--data", "/d"];
  const { code, talk } = await cli(args, roles(calls));
  assert.equal(code, 0, talk);
  const [loaded, ...rest] = calls;
  assert.ok(typeof loaded === "object" && "origins" in loaded);
  assert.deepEqual(loaded.config.apiserver.peers, list.split(","));
  assert.deepEqual(rest, ["start", "drain 10000", "stop"]);
  assert.match(talk, /AtlasNet \S+, apiserver api-1, is running$/m);
  assert.match(talk, /API +http:\/\/127\.0\.0\.1:4004 +\(token: .*admin\.token\)$/m);
  assert.match(talk, /Links +0\.0\.0\.0:4001 +\(UDP, from all processes of the cluster\)$/m);
  assert.match(talk, /Peers +api-1=10\.0\.0\.1:2556, api-2=10\.0\.0\.2:2556$/m);
  assert.match(talk, /Identity +apiserver api-1 of cluster demo, until 2031-05-06/m);
  assert.match(talk, /^Stopping: leadership is handed over\./m);
});

test("a proxy with apiservers takes no list of gameservers: the error names it", async () => {
  const args = ["proxy", "--apiserver", "http://127.0.0.1:8080", "--peer", "gs-1=127.0.0.1:2556"];
  const calls: Calls = [];
  const { code, talk } = await cli(args, roles(calls));
  assert.notEqual(code, 0);
  assert.match(talk, /links\.peers.*together with cluster\.apiservers/s);
  assert.deepEqual(calls, []);
});

test("a role that cannot start ends with 1 and is stopped", async () => {
  for (const role of ["gameserver", "proxy", "apiserver"]) {
    const calls: Calls = [];
    const { code, talk } = await cli([role], roles(calls, new Error("port in use")));
    assert.equal(code, 1);
    assert.match(talk, /^error: Error: port in use/);
    assert.deepEqual(calls.slice(1), ["stop"]);
  }
});

test("the help of a role shows its own settings first, and takes all", async () => {
  const { code, out } = await cli(["proxy", "--help"], roles([]));
  assert.equal(code, 0);
  const others = out.indexOf("Settings of other roles");
  assert.ok(others > 0);
  for (const used of ["--proxy.port, --port", "--links.peers, --peer", "--identity.dir"])
    assert.ok(out.indexOf(used) > 0 && out.indexOf(used) < others, used);
  assert.ok(out.indexOf("--snapshot.keep") > others);
});
