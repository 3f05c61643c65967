import type { Config } from "@atlasnet/core";
import type { AtlasNetServer } from "@atlasnet/monolith";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { findExamples, withExamples } from "../examples.ts";
import { runServer } from "../run-server.ts";
import { addSettingOptions } from "../setting-options.ts";
import { startBanner } from "../start-banner.ts";

/** What the command needs of `@atlasnet/monolith`. */
export type MonolithFactory = (
  options: { config: Config },
  dependencies?: { onFatal?(error: Error): void },
) => AtlasNetServer;

/** `atlasnet monolith`: every role in this process, until it is asked to stop. */
export function addMonolithCommand(
  program: Command,
  io: CliIo,
  loadMonolith: () => Promise<MonolithFactory>,
): void {
  const command = program
    .command("monolith")
    .description("run a whole server in this process; without worlds, the examples");
  const settings = addSettingOptions(command, io);
  command.action(async () => {
    const { config } = await settings.load();
    const examples = config.worlds.length === 0;
    const running = examples ? withExamples(config) : findExamples(config);
    const createMonolith = await loadMonolith();
    await runServer(io, (onFatal) => createMonolith({ config: running }, { onFatal }), {
      banner: ({ addresses }) => startBanner(running, addresses, { examples }),
      stopping: "Stopping: players are told, worlds are saved.",
      drainMs: running.node.drainMs,
    });
  });
}
