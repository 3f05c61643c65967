import type { createApiserverProcess } from "@atlasnet/apiserver";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { apiserverBanner } from "../role-banners.ts";
import { runServer } from "../run-server.ts";
import { addSettingOptions } from "../setting-options.ts";

const SECTIONS = [
  "node",
  "data",
  "log",
  "health",
  "apiserver",
  "artifacts",
  "links",
  "identity",
  "telemetry",
];

/** `atlasnet apiserver`: the control plane of a cluster, with the other apiservers, until it is asked to stop. */
export function addApiserverCommand(
  program: Command,
  io: CliIo,
  loadApiserver: () => Promise<typeof createApiserverProcess>,
): void {
  const command = program
    .command("apiserver")
    .description("run an apiserver: one of those that keep what the cluster has decided");
  const settings = addSettingOptions(command, io, { modules: false, used: SECTIONS });
  command.action(async () => {
    const loaded = await settings.load();
    const { config } = loaded;
    const createProcess = await loadApiserver();
    await runServer(io, (onFatal) => createProcess(loaded, { onFatal }), {
      banner: (server) => apiserverBanner(config, server),
      stopping: "Stopping: leadership is handed over.",
      drainMs: config.node.drainMs,
    });
  });
}
