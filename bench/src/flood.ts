import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { GatewayQuestion } from "./edge/gateway-server.ts";
import { type FloodQuestion, type JunkKind, junkKinds } from "./flood/flooder.ts";
import type { PlayersQuestion, RoundTrips } from "./flood/players.ts";
import { Child } from "./lib/child.ts";
import { atMost, type Goal, machine, printReport } from "./lib/report.ts";
import { median, round } from "./lib/statistics.ts";

/** What junk over UDP costs the proxy, and what others notice of it. */

const HELP = `npm run bench -- flood [options]
  --rounds N       measured pairs of each case, without and with the flood (default 5)
  --seconds N      length of a round (default 2)
  --per-second N   packets of junk (default 10000)
  --players N      players over UDP or TCP, 20 messages a second each (default 32)`;

const PACE_MS = 50;
const WARM_UP_MS = 1_500;
const SETTLE_MS = 300;
/** A flood is not noticed when it changes round trips by less than rounds differ among themselves. */
const GOAL_P50 = 1.25;
const GOAL_P99 = 2;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    "per-second": { type: "string", default: "10000" },
    players: { type: "string", default: "32" },
    help: { type: "boolean", default: false },
  },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
const perSecond = Number(flags["per-second"]);

interface Window extends RoundTrips {
  cpuSeconds: number;
  packets: number;
}

class FloodBench {
  private readonly gateway = new Child("./edge/gateway-server.js", import.meta.url);
  private readonly players = new Child("./flood/players.js", import.meta.url);
  private readonly flooder = new Child("./flood/flooder.js", import.meta.url);
  private port = 0;

  async start(): Promise<void> {
    this.port = await this.gateway.ask<number>({ type: "listen" } satisfies GatewayQuestion);
  }

  async stop(): Promise<void> {
    for (const child of [this.players, this.flooder, this.gateway]) await child.stop();
  }

  private ask<Answer>(question: PlayersQuestion): Promise<Answer> {
    return this.players.ask<Answer>(question);
  }

  async open(transport: "tcp" | "udp"): Promise<void> {
    const connections = Number(flags.players);
    await this.ask({ type: "open", transport, port: this.port, connections, paceMs: PACE_MS });
    await delay(WARM_UP_MS);
  }

  async close(): Promise<void> {
    await this.ask({ type: "close" });
  }

  /** One window, under a flood or in peace. */
  async window(kind: JunkKind | undefined): Promise<Window> {
    const { port } = this;
    if (kind !== undefined)
      await this.flooder.ask({ type: "start", kind, port, perSecond } satisfies FloodQuestion);
    await delay(SETTLE_MS);
    const before = await this.cpu();
    await this.ask({ type: "begin" });
    await delay(seconds * 1000);
    const trips = await this.ask<RoundTrips>({ type: "end" });
    const cpuSeconds = (await this.cpu()) - before;
    const packets =
      kind === undefined
        ? 0
        : await this.flooder.ask<number>({ type: "stop" } satisfies FloodQuestion);
    // The flooder's count goes from its start on.
    return { ...trips, cpuSeconds, packets: packets * (seconds / (seconds + SETTLE_MS / 1000)) };
  }

  private cpu(): Promise<number> {
    return this.gateway.ask<number>({ type: "cpu" } satisfies GatewayQuestion);
  }
}

async function measure(bench: FloodBench, transport: "tcp" | "udp", kind: JunkKind) {
  const peace: Window[] = [];
  const war: Window[] = [];
  for (let i = 0; i < rounds; i++) {
    peace.push(await bench.window(undefined));
    war.push(await bench.window(kind));
  }
  const pairs = peace.map((quiet, i) => ({ quiet, loud: war[i] ?? quiet }));
  const middle = (pick: (pair: { quiet: Window; loud: Window }) => number) =>
    round(median(pairs.map(pick)));
  const result = {
    packetUs: middle(
      ({ quiet, loud }) => ((loud.cpuSeconds - quiet.cpuSeconds) * 1e6) / loud.packets,
    ),
    packetsPerSecond: Math.round(middle(({ loud }) => loud.packets / seconds)),
    p50Ms: middle(({ loud }) => loud.p50Ms),
    quietP50Ms: middle(({ quiet }) => quiet.p50Ms),
    p99Ms: middle(({ loud }) => loud.p99Ms),
    quietP99Ms: middle(({ quiet }) => quiet.p99Ms),
    p50Ratio: middle(({ quiet, loud }) => loud.p50Ms / quiet.p50Ms),
    p99Ratio: middle(({ quiet, loud }) => loud.p99Ms / quiet.p99Ms),
  };
  console.log(
    `${transport} players, ${kind.padEnd(9)} ${result.packetsPerSecond}/s, ${result.packetUs.toFixed(1)} µs CPU each; ` +
      `p50 ${result.p50Ms} ms (${result.quietP50Ms} in peace), p99 ${result.p99Ms} ms (${result.quietP99Ms})`,
  );
  return result;
}

async function run(): Promise<void> {
  const bench = new FloodBench();
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  console.log(
    `${flags.players} players with ${1000 / PACE_MS} messages a second each, and ${perSecond} packets of junk a second from one address.`,
  );
  const figures: { [name: string]: unknown } = {};
  const goals: Goal[] = [];
  try {
    await bench.start();
    for (const transport of ["udp", "tcp"] as const) {
      await bench.open(transport);
      for (const kind of junkKinds) {
        const result = await measure(bench, transport, kind);
        figures[`${transport}, ${kind}`] = result;
        const what = `${transport} players under ${kind}: round trip`;
        goals.push(
          atMost(`${what} p50`, GOAL_P50, "×", result.p50Ratio),
          atMost(`${what} p99`, GOAL_P99, "×", result.p99Ratio),
        );
      }
      await bench.close();
    }
  } finally {
    await bench.stop();
  }
  const players = Number(flags.players);
  printReport({
    bench: "flood",
    settings: { rounds, seconds, perSecond, players },
    figures,
    goals,
  });
}

if (flags.help) console.log(HELP);
else await run();
