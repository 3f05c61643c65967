import type { createProxyProcess } from "@atlasnet/proxy";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { proxyBanner } from "../role-banners.ts";
import { runServer } from "../run-server.ts";
import { addSettingOptions } from "../setting-options.ts";

const SECTIONS = [
  "node",
  "log",
  "health",
  "proxy",
  "cluster",
  "links",
  "identity",
  "tickets",
  "telemetry",
];

/** `atlasnet proxy`: where players of a cluster come in, until it is asked to stop. */
export function addProxyCommand(
  program: Command,
  io: CliIo,
  loadProxy: () => Promise<typeof createProxyProcess>,
): void {
  const command = program
    .command("proxy")
    .description("run a proxy of a cluster: where players come in, on their way to gameservers");
  const settings = addSettingOptions(command, io, { used: SECTIONS });
  command.action(async () => {
    const loaded = await settings.load();
    const { config } = loaded;
    const createProcess = await loadProxy();
    await runServer(io, (onFatal) => createProcess(loaded, { onFatal }), {
      banner: (server) => proxyBanner(config, server),
      stopping: "Stopping: players are told, and go to other proxies.",
      drainMs: config.node.drainMs,
    });
  });
}
