import type { createGameserverProcess } from "@atlasnet/gameserver";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { findExamples } from "../examples.ts";
import { gameserverBanner } from "../role-banners.ts";
import { runServer } from "../run-server.ts";
import { addSettingOptions } from "../setting-options.ts";

const SECTIONS = [
  "node",
  "data",
  "log",
  "health",
  "gameserver",
  "snapshot",
  "journal",
  "cluster",
  "links",
  "identity",
  "telemetry",
];

/** `atlasnet gameserver`: worlds for the proxies of a cluster, until it is asked to stop. */
export function addGameserverCommand(
  program: Command,
  io: CliIo,
  loadGameserver: () => Promise<typeof createGameserverProcess>,
): void {
  const command = program
    .command("gameserver")
    .description("run a gameserver of a cluster: worlds, for proxies to bring players to");
  const settings = addSettingOptions(command, io, { used: SECTIONS });
  command.action(async () => {
    const config = findExamples((await settings.load()).config);
    const createProcess = await loadGameserver();
    await runServer(io, (onFatal) => createProcess({ config }, { onFatal }), {
      banner: (server) => gameserverBanner(config, server),
      stopping: "Stopping: worlds are saved.",
      drainMs: config.node.drainMs,
    });
  });
}
