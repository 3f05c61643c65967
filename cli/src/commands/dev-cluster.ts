import { resolve } from "node:path";
import {
  type LoadedConfig,
  noopLogger,
  OperatingError,
  type SettingPath,
  settingsHelp,
} from "@atlasnet/core";
import { Option } from "commander";
import type { CliIo } from "../cli-io.ts";
import { DEFAULT_CLUSTER_DIR, MAX_PER_ROLE, PORT_SCHEME } from "../cluster/layout.ts";
import { OWN_SETTINGS } from "../cluster/node-config.ts";
import { DEFAULT_RESTARTS } from "../cluster/restart-policy.ts";
import { withExamples } from "../examples.ts";
import { aborted } from "../stop-signal.ts";
import { UsageError } from "../usage-error.ts";
import type { DevCommand } from "./dev.ts";

/** Processes of a role. */
const DEFAULT_COUNT = 2;
/** One of them may be lost. */
const DEFAULT_APISERVERS = 3;

const NOTES = `
Starts \`atlasnet apiserver\`, \`proxy\` and \`gameserver\` on this machine, each as a process of its own:
api-1, api-2, …, proxy-1, proxy-2, …, gs-1, gs-2, …. The worlds of the command line or the
configuration are made in the cluster's catalogue, as \`atlasnet world create\` does it; the cluster
chooses where they run. All commands reach it with \`--context dev\`. With --apiservers 0 worlds go to
the gameservers in turn. The folder holds a CA, snapshots of the worlds that all gameservers reach
(snapshot.store, unless you set another one: worlds move with their state), and for each process its
certificate, configuration and data; it is kept between runs.

${wrapped(PORT_SCHEME)}

The pages are served by this command (--http.port); they join through proxy-1.
\`atlasnet dev roll\` restarts all processes one by one, as an upgrade does.
Ctrl+C stops the proxies, then the gameservers, which save their worlds, then the apiservers; once
more ends all at once.
A process that dies is started again, after a growing wait, at most ${DEFAULT_RESTARTS.maxRestarts} times a minute.

Settings below go to every process, but for those that the cluster decides itself:
${wrapped([...OWN_SETTINGS].join(", "))}.`;

interface Options {
  readonly proxies?: number;
  readonly gameservers?: number;
  readonly apiservers: number;
  readonly dir: string;
  readonly restart: boolean;
}

/** What is `dev`'s own. */
interface DevOptions {
  readonly page?: string;
  readonly inspect?: string | true;
}

/** `atlasnet dev cluster`: a cluster on this machine, to see what several processes do. */
export function addDevClusterCommand(dev: DevCommand, io: CliIo): void {
  dev.command
    .command("cluster")
    .description("run a cluster on this machine, each of its servers as a process of its own")
    .addOption(countOption("proxies", `proxies to run (default: ${DEFAULT_COUNT})`))
    .addOption(
      countOption(
        "gameservers",
        `gameservers to run (default: ${DEFAULT_COUNT}); without apiservers at most one per world`,
      ),
    )
    .addOption(
      countOption(
        "apiservers",
        "apiservers to run; 0: none, worlds are given out by hand",
        0,
      ).default(DEFAULT_APISERVERS),
    )
    .option(
      "--dir <folder>",
      "where certificates, configurations and data are kept",
      DEFAULT_CLUSTER_DIR,
    )
    .option("--no-restart", "leave a process that died")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("after", () => `${NOTES}\n\n${settingsHelp(io.width)}`)
    .action(async (options: Options) => {
      const { page, inspect }: DevOptions = dev.command.opts();
      if (inspect !== undefined)
        throw new UsageError(
          "unknown option '--inspect' of cluster",
          "A debugger attaches to one process: atlasnet dev --inspect",
        );
      const loaded = await dev.settings.load();
      refuseOwnSettings(loaded);
      await run({ ...options, page }, loaded, io);
    });
}

async function run(
  options: Options & { page: string | undefined },
  given: LoadedConfig,
  io: CliIo,
): Promise<void> {
  const examples = given.config.worlds.length === 0;
  const loaded = examples ? { ...given, config: withExamples(given.config) } : given;
  const worlds = loaded.config.worlds.length;
  const { proxies = DEFAULT_COUNT, apiservers } = options;
  const most = apiservers > 0 ? DEFAULT_COUNT : Math.min(DEFAULT_COUNT, worlds);
  const { gameservers = most } = options;
  if (apiservers === 0 && gameservers > worlds)
    throw new UsageError(
      `--gameservers: found "${gameservers}", allowed: 1 to ${worlds}, as there ${worlds === 1 ? "is one world" : `are ${worlds} worlds`} and each gameserver has one at least`,
      "Name more worlds with --world name=module, or leave --gameservers out.",
    );
  // Loaded when it is needed: most commands do without the server.
  const [{ ClusterSession }, { resolveModule }, { PageServer }] = await Promise.all([
    import("../cluster/cluster-session.ts"),
    import("@atlasnet/gameserver"),
    import("@atlasnet/monolith"),
  ]);
  const session = new ClusterSession(
    {
      proxies,
      gameservers,
      apiservers,
      dir: resolve(io.workingDir, options.dir),
      restarts: options.restart ? DEFAULT_RESTARTS : { ...DEFAULT_RESTARTS, maxRestarts: 0 },
      page: options.page,
      loaded,
      examples,
    },
    {
      io,
      resolveModule,
      servePages: async (pageOptions) => {
        const pages = new PageServer(pageOptions, { logger: noopLogger });
        await pages.start();
        return pages;
      },
    },
  );
  // A second signal ends this process without waiting: then the others shall not outlive it. When it ends for any
  // other reason they notice by themselves, and stop in order.
  const killAll = () => {
    if (io.stop.aborted) session.kill();
  };
  process.once("exit", killAll);
  try {
    await session.start();
    const greeted = session.greet();
    const failed = session.allOver().then(() => !io.stop.aborted);
    const stopped = aborted(io.stop).then(() => false);
    if (await Promise.race([failed, stopped, greeted.then(() => Promise.race([failed, stopped]))]))
      throw new OperatingError("cluster-down", "no process of the cluster is left", {
        hint: "Why each of them ended stands above.",
      });
    session.say("\nStopping: the proxies first, then the others. Once more to end them at once.\n");
  } finally {
    await session.stop();
    process.off("exit", killAll);
  }
}

function countOption(name: string, help: string, least = 1): Option {
  return new Option(`--${name} <number>`, help).argParser((text) => {
    const value = /^\d{1,3}$/.test(text) ? Number(text) : -1;
    if (value < least || value > MAX_PER_ROLE)
      throw new UsageError(`--${name}: found "${text}", allowed: ${least} to ${MAX_PER_ROLE}`);
    return value;
  });
}

/** A file or the environment may say what they like of them: they are for other commands, too. */
function refuseOwnSettings({ origins }: LoadedConfig): void {
  for (const path of OWN_SETTINGS) {
    const origin = origins.get(path);
    if (origin?.kind === "flag")
      throw new UsageError(
        `${origin.name}: the cluster decides ${path} for each of its processes`,
        OWN_HINTS.get(path) ?? "Leave the flag out.",
      );
  }
}

const OWN_HINTS: ReadonlyMap<string, string> = new Map<SettingPath, string>([
  ["apiserver.port", "--port is what all ports follow from."],
  ["data.dir", "--dir says where the cluster keeps everything."],
  ["health.port", "--port is what all ports follow from."],
  ["links.port", "--port is what all ports follow from."],
]);

function wrapped(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line.length + word.length > 98) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.join("\n");
}
