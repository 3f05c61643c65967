import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Reading } from "./density/probe.ts";
import { atMost, machine, printReport } from "./lib/report.ts";
import { ServerProcess } from "./lib/server-process.ts";
import { median, round } from "./lib/statistics.ts";

/** What a world costs in which nothing happens: a server with many against one with a single one. */

const HELP = `npm run bench -- density [options]
  --worlds N   idle worlds (default 1000)
  --rounds N   measured windows of CPU time (default 5)
  --seconds N  length of a window (default 4)`;

/** Until start-up is over: first snapshots, compilation. */
const SETTLE_MS = 8_000;
const MAX_KB = 100;
/** Of one core; what the server alone varies by from window to window is in the figures. */
const MAX_CPU_PERCENT = 0.1;

const { values: flags } = parseArgs({
  options: {
    worlds: { type: "string", default: "1000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
    help: { type: "boolean", default: false },
  },
});

async function startWith(worlds: number, folder: string): Promise<ServerProcess> {
  const module = fileURLToPath(new URL("./worlds/empty-world.js", import.meta.url));
  const config = join(folder, `worlds-${worlds}.toml`);
  const sections = Array.from(
    { length: worlds },
    (_, i) => `[worlds.w${i}]\nmodule = ${JSON.stringify(module)}\n`,
  );
  await writeFile(config, sections.join("\n"));
  const probe = new URL("./density/probe.js", import.meta.url).href;
  return ServerProcess.start({
    command: "monolith",
    flags: ["--config", config],
    execArgv: ["--expose-gc", "--import", probe],
  });
}

/** CPU time of both servers in the same windows, in percent of a core. */
async function windows(servers: readonly ServerProcess[]): Promise<number[][]> {
  const shares: number[][] = servers.map(() => []);
  for (let i = 0; i < Number(flags.rounds); i++) {
    const before = await Promise.all(servers.map((server) => server.ask<number>("cpu")));
    const startedAt = performance.now();
    await delay(Number(flags.seconds) * 1000);
    const after = await Promise.all(servers.map((server) => server.ask<number>("cpu")));
    const seconds = (performance.now() - startedAt) / 1000;
    after.forEach((cpu, s) => {
      shares[s]?.push(round(((cpu - (before[s] ?? 0)) / seconds) * 100, 3));
    });
  }
  return shares;
}

async function run(): Promise<void> {
  const worlds = Number(flags.worlds);
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  console.log(`${worlds} idle worlds more than one, in one monolith, default configuration.`);
  const folder = await mkdtemp(join(tmpdir(), "atlasnet-density-"));
  const servers: ServerProcess[] = [];
  try {
    const one = await startWith(1, folder);
    servers.push(one);
    const startedAt = performance.now();
    const many = await startWith(1 + worlds, folder);
    servers.push(many);
    const startSeconds = round((performance.now() - startedAt) / 1000, 1);
    await delay(SETTLE_MS);
    const alone = await one.ask<Reading>("read");
    const full = await many.ask<Reading>("read");
    const perWorld = (pick: (reading: Reading) => number) =>
      round((pick(full) - pick(alone)) / worlds / 1000, 1);
    const rssKB = perWorld((reading) => reading.rssBytes);
    const heapKB = perWorld((reading) => reading.heapBytes);
    console.log(`${rssKB} KB of resident memory and ${heapKB} KB of heap per world.`);
    const [idle = [], busy = []] = await windows(servers);
    const extra = busy.map((share, i) => round(share - (idle[i] ?? 0), 3));
    const cpuPercent = round(median(extra), 3);
    console.log(`CPU: ${median(busy)} % of a core, with one world ${median(idle)} %.`);
    printReport({
      bench: "density",
      settings: { worlds, rounds: Number(flags.rounds), seconds: Number(flags.seconds) },
      figures: {
        method:
          "two servers at once, with 1 and with 1 + N worlds; after gc() in every thread; difference / N",
        rssKBPerWorld: rssKB,
        heapKBPerWorld: heapKB,
        rssMB: round(full.rssBytes / 1e6, 1),
        rssMBWithOneWorld: round(alone.rssBytes / 1e6, 1),
        threads: full.threads,
        startSeconds,
        cpuPercentOfCore: busy,
        cpuPercentOfCoreWithOneWorld: idle,
      },
      goals: [
        atMost("resident memory per idle world", MAX_KB, "KB", rssKB),
        atMost("heap per idle world", MAX_KB, "KB", heapKB),
        atMost("CPU of all idle worlds, of one core", MAX_CPU_PERCENT, "%", cpuPercent),
      ],
    });
  } finally {
    for (const server of servers) await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

if (flags.help) console.log(HELP);
else await run();
