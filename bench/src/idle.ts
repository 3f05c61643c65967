import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { GeneratorQuestion } from "./arena/generator.ts";
import { Child } from "./lib/child.ts";
import { Cluster } from "./lib/cluster.ts";
import { atMost, machine, printReport } from "./lib/report.ts";
import { median, round } from "./lib/statistics.ts";

/** What an idle session costs a proxy in memory. */

const HELP = `npm run bench -- idle [options]
  --rounds N        times the sessions are opened, each in a new cluster (default 3)
  --sessions N      (default 4000)
  --transports a,b  ws, udp (default ws,udp)`;

/** Opened by one question to the generator, which bounds the time of each. */
const AT_ONCE = 500;
/** Opened before the first reading: buffers and code that are there once for all. */
const FIRST = 200;
const SETTLE_MS = 4_000;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    sessions: { type: "string", default: "4000" },
    transports: { type: "string", default: "ws,udp" },
    help: { type: "boolean", default: false },
  },
});
const rounds = Number(flags.rounds);
const sessions = Number(flags.sessions);
const transports = (["ws", "udp"] as const).filter((name) =>
  flags.transports.split(",").includes(name),
);

async function kilobytesPerSession(transport: "ws" | "udp"): Promise<number> {
  const module = fileURLToPath(new URL("./worlds/arena-world.js", import.meta.url));
  const limit = ["--proxy.limits.connectionsPerAddress", String(sessions + FIRST + 100)];
  const cluster = await Cluster.start({ proxies: 1, world: ["arena", module], proxyFlags: limit });
  const generator = new Child("./arena/generator.js", import.meta.url);
  const ask = (question: GeneratorQuestion) => generator.ask(question);
  try {
    const [proxy] = cluster.proxies;
    if (proxy === undefined) throw new Error("the cluster has no proxy");
    const open = (clients: number) =>
      ask({
        type: "open",
        side: "atlasnet",
        transport,
        port: proxy.port,
        world: "arena",
        clients,
        checked: 0,
      });
    await open(FIRST);
    await delay(SETTLE_MS);
    const before = await residentBytes(proxy.pid);
    for (let left = sessions; left > 0; left -= AT_ONCE) await open(Math.min(left, AT_ONCE));
    await delay(SETTLE_MS);
    return ((await residentBytes(proxy.pid)) - before) / sessions / 1024;
  } finally {
    await generator.stop();
    await cluster.stop();
  }
}

/** What the system holds in memory for a process (Linux). */
async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined) throw new Error(`/proc/${pid}/status says no VmRSS`);
  return Number(kilobytes) * 1024;
}

async function run(): Promise<void> {
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  const figures: { [transport: string]: number } = {};
  for (const transport of transports) {
    const measured: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const kilobytes = await kilobytesPerSession(transport);
      measured.push(kilobytes);
      console.log(`${transport}: ${round(kilobytes, 1)} KB per idle session`);
    }
    figures[transport] = round(median(measured), 1);
  }
  printReport({
    bench: "idle",
    settings: { rounds, sessions },
    figures: { kilobytesPerSession: figures },
    goals: Object.entries(figures).map(([transport, kilobytes]) =>
      atMost(`memory of the proxy per idle session over ${transport}`, 20, "KB", kilobytes),
    ),
  });
}

if (flags.help) console.log(HELP);
else await run();
