import inspector from "node:inspector";
import type { createMonolith } from "@atlasnet/monolith";
import { type Command, Option } from "commander";
import type { CliIo } from "../cli-io.ts";
import { DevSession } from "../dev/dev-session.ts";
import { addSettingOptions, type SettingOptions } from "../setting-options.ts";
import { aborted } from "../stop-signal.ts";
import { UsageError } from "../usage-error.ts";

const DEFAULT_INSPECT = "127.0.0.1:9229";

/** Commander takes the options of `dev` also behind a command below it, which may use them. */
export interface DevCommand {
  readonly command: Command;
  readonly settings: SettingOptions;
}

/** `atlasnet dev`: worlds straight from TypeScript, reloaded at every change while players stay. */
export function addDevCommand(
  program: Command,
  io: CliIo,
  loadMonolith: () => Promise<typeof createMonolith>,
): DevCommand {
  const command = program
    .command("dev")
    .description("run worlds from TypeScript and reload them at every change")
    .option("--page <dir>", "folder with an index.html; its scripts may be TypeScript")
    .addOption(
      new Option(
        "--inspect [host:port]",
        `let a debugger attach (${DEFAULT_INSPECT}); ticks have no time limit then`,
      ),
    );
  const settings = addSettingOptions(command, io);
  command.action(async (options: { page?: string; inspect?: string | true }) => {
    const loaded = await settings.load();
    if (loaded.config.worlds.length === 0)
      throw new UsageError("no world to run", "Name one: atlasnet dev --world game=src/world.ts");
    if (options.inspect !== undefined)
      openInspector(options.inspect === true ? DEFAULT_INSPECT : options.inspect);
    const session = new DevSession(
      { loaded, page: options.page },
      { io, createMonolith: await loadMonolith() },
    );
    try {
      await session.start();
      await aborted(io.stop);
      io.talk("\nStopping; the worlds are saved.\n");
      await session.drain();
    } finally {
      await session.stop();
    }
  });
  return { command, settings };
}

function openInspector(address: string): void {
  const [, host, port] = /^(?:(.+):)?(\d{1,5})$/.exec(address) ?? [];
  if (port === undefined)
    throw new UsageError(`--inspect: found "${address}", allowed: port, or host:port`);
  inspector.open(Number(port), host ?? "127.0.0.1");
}
