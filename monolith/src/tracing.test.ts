import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { loadConfig } from "@atlasnet/core/node";
import { createGameserverProcess } from "@atlasnet/gameserver";
import { createCa } from "@atlasnet/identity";
import { createProxyProcess } from "@atlasnet/proxy";
import { createMonolith } from "./index.ts";
import { testTracing } from "./testing/tracing-suite.ts";

interface Settings {
  readonly [path: string]: string;
}

/** A folder for as long as a test, and what is to be stopped before it goes, the last first. */
async function workplace(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-tracing-"));
  const steps: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const step of steps.splice(0).reverse()) await step();
  };
  t.after(async () => {
    await stop();
    await rm(dir, { recursive: true, force: true });
  });
  const load = (node: string, settings: Settings) => {
    const given: Settings = {
      "node.id": node,
      "data.dir": join(dir, node),
      "proxy.host": "127.0.0.1",
      "proxy.port": "0",
      "health.port": "0",
      "http.enabled": "false",
      "gameserver.threads": "1",
      ...settings,
    };
    const flags = Object.entries(given).map(([path, text]) => ({ name: `--${path}`, path, text }));
    return loadConfig({ env: {}, flags, workingDir: dir });
  };
  return { dir, load, stop, undo: (step: () => Promise<void>) => steps.push(step) };
}

testTracing("monolith", async (t, settings) => {
  const { load, stop, undo } = await workplace(t);
  const { config } = await load("n1", settings);
  const server = createMonolith({ config }, { logger: noopLogger });
  undo(() => server.stop());
  await server.start();
  const services = { proxy: "atlasnet", gameserver: "atlasnet" };
  return { url: `tcp://127.0.0.1:${server.addresses.players.port}`, services, stop };
});

testTracing("proxy and gameserver over QUIC", async (t, settings) => {
  const { dir, load, stop, undo } = await workplace(t);
  const ca = join(dir, "ca");
  await createCa(ca, { cluster: "test" });
  const common = { "identity.ca": ca, "links.host": "127.0.0.1", "links.port": "0", ...settings };
  const { config } = await load("g1", common);
  const gameserver = createGameserverProcess({ config }, { logger: noopLogger });
  undo(() => gameserver.stop());
  await gameserver.start();
  const { host, port } = gameserver.addresses.links;
  const peers = { "links.peers": `g1=${host}:${port}` };
  const proxy = createProxyProcess(await load("p1", { ...common, ...peers }), {
    logger: noopLogger,
  });
  undo(() => proxy.stop());
  await proxy.start();
  await proxy.heard();
  const services = { proxy: "atlasnet-proxy", gameserver: "atlasnet-gameserver" };
  return { url: `tcp://127.0.0.1:${proxy.addresses.players.port}`, services, stop };
});
