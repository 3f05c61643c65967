import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { noopLogger } from "../logging/logger.ts";
import { loadConfig } from "./load-config.ts";
import { ServiceHost } from "./service-host.ts";
import { ServiceProcess } from "./service-process.ts";

async function config(healthPort = "0") {
  const path = "health.port";
  const flags = [{ name: "--health.port", path, text: healthPort }];
  return (await loadConfig({ env: {}, flags })).config;
}

async function startHost(): Promise<ServiceHost> {
  const options = { config: await config(), role: "monolith" } as const;
  return ServiceHost.start(options, { logger: noopLogger });
}

async function ready(port: number | undefined): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${port}/ready`);
  return [response.status, await response.text()];
}

test("a host is ready between ready() and drain(), and its metrics are served", async () => {
  const host = await startHost();
  const port = host.health.boundPort;
  const [starting, reason] = await ready(port);
  assert.equal(starting, 503);
  assert.match(reason, /"name":"started","ok":false,"reason":"the server is starting"/);
  assert.equal(host.drain(), false, "there is nothing to drain yet");
  host.ready();
  assert.equal((await ready(port))[0], 200);
  const metrics = await fetch(`http://127.0.0.1:${port}/metrics`);
  assert.match(await metrics.text(), /^atlasnet_process_memory_bytes\{kind="rss"\} \d+/m);
  assert.equal(host.drain(), true);
  assert.equal(host.drain(), false);
  assert.match((await ready(port))[1], /the server is draining/);
  await host.stop();
  assert.equal(host.state, "stopped");
});

test("parts are stopped in reverse, also behind one that fails; what they threw is thrown", async () => {
  const host = await startHost();
  const stopped: string[] = [];
  const part = (name: string, error?: Error) =>
    host.part(name, async () => {
      stopped.push(name);
      if (error !== undefined) throw error;
    });
  part("first");
  part("second", new Error("two"));
  part("third", new Error("three"));
  const stopping = host.stop();
  await assert.rejects(
    stopping,
    (error) =>
      error instanceof AggregateError &&
      error.errors.map(String).join() === "Error: three,Error: two",
  );
  assert.equal(host.stop(), stopping);
  assert.deepEqual(stopped, ["third", "second", "first"]);
  assert.equal(host.health.boundPort, undefined);
});

test("a health port in use is said", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const address = taken.address();
  assert.ok(typeof address === "object" && address !== null);
  const options = { config: await config(String(address.port)), role: "proxy" } as const;
  await assert.rejects(ServiceHost.start(options, { logger: noopLogger }), { code: "port-in-use" });
  await new Promise((resolve) => taken.close(resolve));
});

test("a process that cannot start stops what it started, and says why it could not", async () => {
  const stopped: string[] = [];
  const process = new ServiceProcess(
    { config: await config(), role: "gameserver" },
    { logger: noopLogger },
    (host) => {
      host.part("early", async () => {
        stopped.push("early");
        throw new Error("and this, too");
      });
      return Promise.reject(new Error("no disk"));
    },
  );
  await assert.rejects(process.start(), /no disk/);
  assert.deepEqual(stopped, ["early"]);
  await process.stop();
});

test("a process drains its service once, while it is ready", async () => {
  const deadlines: number[] = [];
  const process = new ServiceProcess(
    { config: await config(), role: "gameserver" },
    { logger: noopLogger },
    async () => ({
      drain: async (deadlineMs: number) => {
        deadlines.push(deadlineMs);
      },
    }),
  );
  await process.drain(1);
  await process.start();
  await assert.rejects(process.start(), /started once/);
  await process.drain(2);
  await process.drain(3);
  await process.stop();
  assert.deepEqual(deadlines, [2]);
});
