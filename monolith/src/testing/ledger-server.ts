import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { noopLogger } from "@atlasnet/core";
import { loadConfig } from "@atlasnet/core/node";
import { type AtlasNetServer, createMonolith } from "../index.ts";

export interface LedgerServer {
  readonly addresses: AtlasNetServer["addresses"];
  /** Adds a step for the end of the test; steps are taken in reverse, the server's own last. */
  undo(step: () => unknown): void;
}

/** A running server with the ledger world, in a folder of its own, for as long as a test. */
export async function startLedgerServer(t: TestContext): Promise<LedgerServer> {
  // Undone in reverse: the folder goes when nobody writes into it any more.
  const steps: (() => unknown)[] = [];
  t.after(async () => {
    for (const step of steps.reverse()) await step();
  });
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-ledger-"));
  steps.push(() => rm(dir, { recursive: true, force: true }));
  const settings = {
    "data.dir": join(dir, "data"),
    "proxy.host": "127.0.0.1",
    "proxy.port": "0",
    "health.port": "0",
    "http.enabled": "false",
    "gameserver.threads": "1",
    worlds: `ledger=${fileURLToPath(new URL("./ledger-world.js", import.meta.url))}`,
  };
  const flags = Object.entries(settings).map(([path, text]) => ({ name: `--${path}`, path, text }));
  const { config } = await loadConfig({ env: {}, flags, workingDir: dir });
  const server = createMonolith({ config }, { logger: noopLogger });
  await server.start();
  steps.push(() => server.stop());
  return { addresses: server.addresses, undo: (step) => void steps.push(step) };
}
