import { fileURLToPath } from "node:url";
import type { Config, WorldConfig } from "@atlasnet/core";
import type { AtlasNetServer } from "@atlasnet/monolith";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { addSettingOptions } from "../setting-options.ts";
import { startBanner } from "../start-banner.ts";
import { aborted } from "../stop-signal.ts";

/** What the command needs of `@atlasnet/monolith`. */
export type MonolithFactory = (
  options: { config: Config },
  dependencies?: { onFatal?(error: Error): void },
) => AtlasNetServer;

/** What runs when nobody names a world. */
const EXAMPLES = ["arena", "sandbox"];

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
    const running = examples ? withExamples(config) : config;
    const createMonolith = await loadMonolith();
    const fatal = fatalError();
    const monolith = createMonolith({ config: running }, { onFatal: fatal.raise });
    try {
      await monolith.start();
      io.talk(startBanner(running, monolith.addresses, { examples }));
      await Promise.race([aborted(io.stop), fatal.raised]);
      io.talk("\nStopping: players are told, worlds are saved. Once more to stop at once.\n");
      await monolith.drain(running.node.drainMs);
    } finally {
      await monolith.stop();
    }
  });
}

function withExamples(config: Config): Config {
  const worlds = EXAMPLES.map(
    (name): WorldConfig => ({
      name,
      module: `@atlasnet/example-${name}`,
      // The packages are this program's own dependencies.
      from: fileURLToPath(new URL(".", import.meta.url)),
      config: {},
      durability: config.journal.enabled ? "journal" : "snapshot",
      graceSeconds: config.gameserver.graceSeconds,
    }),
  );
  return Object.freeze({ ...config, worlds: Object.freeze(worlds) });
}

/** A fault that comes at any time, as a promise that rejects with it. */
function fatalError(): { raised: Promise<never>; raise(error: Error): void } {
  let raise: (error: Error) => void = () => undefined;
  const raised = new Promise<never>((_, reject) => {
    raise = reject;
  });
  // It may come before anybody waits for it.
  raised.catch(() => undefined);
  return { raised, raise: (error) => raise(error) };
}
