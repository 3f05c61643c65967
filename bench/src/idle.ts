import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createTestCa } from "@atlasnet/identity/testing";
import type { ArenaTransport } from "./arena/arena-client.ts";
import type { GeneratorQuestion } from "./arena/generator.ts";
import type { Reading } from "./density/probe.ts";
import { Child } from "./lib/child.ts";
import { Cluster } from "./lib/cluster.ts";
import { atMost, machine, printReport } from "./lib/report.ts";
import type { ServerProcess } from "./lib/server-process.ts";
import { median, round } from "./lib/statistics.ts";

/** What an idle session costs a proxy in memory. */

const HELP = `npm run bench -- idle [options]
  --rounds N        times the sessions are opened, each in a new cluster (default 3)
  --sessions N      (default 4000)
  --transports a,b  ws, tcp, udp, wss (default all)`;

const TRANSPORTS = ["ws", "tcp", "udp", "wss"] as const;
/** TLS is OpenSSL's: what it keeps is told, and no goal. */
const WITHOUT_GOAL: readonly ArenaTransport[] = ["wss"];
/** Opened by one question to the generator, which bounds the time of each. */
const AT_ONCE = 250;
/** Opened before the first reading: buffers and code that are there once for all. */
const FIRST = 200;
const SETTLE_MS = 4_000;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    sessions: { type: "string", default: "4000" },
    transports: { type: "string", default: TRANSPORTS.join(",") },
    help: { type: "boolean", default: false },
  },
});
const rounds = Number(flags.rounds);
const sessions = Number(flags.sessions);
const transports = TRANSPORTS.filter((name) => flags.transports.split(",").includes(name));

/** KB for each session. */
interface Cost {
  /** Resident memory when all are there, garbage and all. */
  resident: number;
  /** After a collection. */
  collected: number;
  /** Of that, what JavaScript holds, in its heap and in buffers outside of it. */
  held: number;
}

async function costOf(transport: ArenaTransport, tls: readonly string[]): Promise<Cost> {
  const module = fileURLToPath(new URL("./worlds/arena-world.js", import.meta.url));
  const probe = new URL("./density/probe.js", import.meta.url).href;
  const limit = ["--proxy.limits.connectionsPerAddress", String(sessions + FIRST + 100)];
  const cluster = await Cluster.start({
    proxies: 1,
    world: ["arena", module],
    proxyFlags: [...limit, ...(transport === "wss" ? tls : [])],
    execArgv: ["--expose-gc", "--import", probe],
  });
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
    const before = await reading(proxy);
    for (let left = sessions; left > 0; left -= AT_ONCE) await open(Math.min(left, AT_ONCE));
    await delay(SETTLE_MS);
    const resident = await proxy.residentBytes();
    const after = await reading(proxy);
    const each = (bytes: number) => bytes / sessions / 1024;
    return {
      resident: each(resident - before.rssBytes),
      collected: each(after.rssBytes - before.rssBytes),
      held: each(after.heapBytes - before.heapBytes),
    };
  } finally {
    await generator.stop();
    await cluster.stop();
  }
}

/** Collects garbage, and reads. */
async function reading(proxy: ServerProcess): Promise<Reading> {
  return proxy.ask<Reading>("read");
}

/** Flags for a certificate of its own in `folder`. */
async function tlsFlags(folder: string): Promise<readonly string[]> {
  const ca = await createTestCa();
  const { certificate, privateKey } = await ca.issue({ role: "proxy", node: "proxy" });
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  await writeFile(cert, certificate);
  await writeFile(key, privateKey);
  return ["--proxy.tls.cert", cert, "--proxy.tls.key", key];
}

async function run(): Promise<void> {
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  const folder = await mkdtemp(join(tmpdir(), "atlasnet-bench-idle-"));
  const figures: { [transport: string]: Cost } = {};
  try {
    const tls = await tlsFlags(folder);
    for (const transport of transports) {
      const costs: Cost[] = [];
      for (let i = 0; i < rounds; i++) {
        const cost = await costOf(transport, tls);
        costs.push(cost);
        const { resident, collected, held } = cost;
        console.log(
          `${transport}: ${round(resident, 1)} KB per idle session, ${round(collected, 1)} after a collection, ${round(held, 1)} of them JavaScript's`,
        );
      }
      const middle = (of: keyof Cost) => round(median(costs.map((cost) => cost[of])), 1);
      figures[transport] = {
        resident: middle("resident"),
        collected: middle("collected"),
        held: middle("held"),
      };
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  printReport({
    bench: "idle",
    settings: { rounds, sessions },
    figures: { kilobytesPerSession: figures },
    goals: transports
      .filter((transport) => !WITHOUT_GOAL.includes(transport))
      .map((transport) =>
        atMost(
          `memory of the proxy per idle session over ${transport}`,
          20,
          "KB",
          figures[transport]?.resident ?? Number.NaN,
        ),
      ),
  });
}

if (flags.help) console.log(HELP);
else await run();
