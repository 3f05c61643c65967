import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noopLogger } from "@atlasnet/core";
import { loadConfig } from "@atlasnet/core/node";
import { createMonolith } from "./index.ts";
import { testTracing } from "./testing/tracing-suite.ts";

testTracing("monolith", async (t, given) => {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-tracing-"));
  const settings = {
    "data.dir": join(dir, "data"),
    "proxy.host": "127.0.0.1",
    "proxy.port": "0",
    "health.port": "0",
    "http.enabled": "false",
    "gameserver.threads": "1",
    ...given,
  };
  const flags = Object.entries(settings).map(([path, text]) => ({ name: `--${path}`, path, text }));
  const { config } = await loadConfig({ env: {}, flags, workingDir: dir });
  const server = createMonolith({ config }, { logger: noopLogger });
  const stop = () => server.stop();
  t.after(async () => {
    await stop();
    await rm(dir, { recursive: true, force: true });
  });
  await server.start();
  const { port } = server.addresses.players;
  const services = { proxy: "atlasnet", gameserver: "atlasnet" };
  return { url: `tcp://127.0.0.1:${port}`, services, stop };
});
