import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "../node/load-config.ts";
import { ConfigError } from "./config-error.ts";

async function load(...args: readonly string[]) {
  const flags = args.map((arg) => {
    const at = arg.indexOf("=");
    const path = arg.slice(0, at);
    return { name: `--${path}`, path, text: arg.slice(at + 1) };
  });
  return (await loadConfig({ env: {}, flags })).config;
}

async function problemsOf(...args: readonly string[]): Promise<string> {
  const error = await load(...args).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConfigError, `${error}`);
  return error.message;
}

const APIS = "cluster.apiservers=http://127.0.0.1:8080,https://[fd00::1]:8081";

test("apiservers are a list with commas; labels, too", async () => {
  const { cluster, node } = await load(APIS, "node.labels=zone=eu,gpu=yes", "node.leaseMs=500");
  assert.deepEqual(cluster.apiservers, ["http://127.0.0.1:8080", "https://[fd00::1]:8081"]);
  assert.deepEqual(node.labels, ["zone=eu", "gpu=yes"]);
  assert.equal(node.leaseMs, 500);
});

test("what does not go together with apiservers is named, with what to use", async () => {
  assert.match(
    await problemsOf(APIS, "links.peers=gs-1=10.0.0.1:2556"),
    /links\.peers.*together with cluster\.apiservers.*found by the apiservers/s,
  );
  assert.match(
    await problemsOf(APIS, "worlds=arena=./arena.js"),
    /worlds\.arena.*together with cluster\.apiservers.*atlasnet world create arena/s,
  );
});

test("bad values are named", async () => {
  for (const [arg, problem] of [
    ["cluster.apiservers=127.0.0.1:8080", /cluster\.apiservers.*http:\/\/HOST:PORT/s],
    ["cluster.apiservers=http://a:8080/path", /cluster\.apiservers/],
    ["cluster.apiservers=http://a:0", /cluster\.apiservers.*1 to 65535/s],
    ["links.advertise=10.0.0.5:70000", /links\.advertise.*1 to 65535/s],
    ["node.labels=zone", /node\.labels.*NAME=VALUE/s],
    ["node.labels=zone=eu,zone=us", /node\.labels.*zone twice/s],
    ["node.leaseMs=499", /node\.leaseMs.*500/s],
    ["node.leaseMs=60001", /node\.leaseMs.*60000/s],
  ] as const)
    assert.match(await problemsOf(arg), problem, arg);
});
