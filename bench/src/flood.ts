import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { GatewayQuestion } from "./edge/gateway-server.ts";
import type { FloodCount, FloodQuestion } from "./flood/flooder.ts";
import { type JunkKind, junkKinds } from "./flood/junk.ts";
import type { PlayersQuestion, RoundTrips } from "./flood/players.ts";
import { Child } from "./lib/child.ts";
import { atMost, type Goal, machine, printReport } from "./lib/report.ts";
import { median, round } from "./lib/statistics.ts";

/** What junk over UDP costs the proxy, and what others notice of it. */

const HELP = `npm run bench -- flood [options]
  --kinds a,b        kinds of junk (default ${junkKinds.join(",")})
  --transports a,b   what the players speak: udp, tcp (default udp)
  --rounds N         windows under the flood, each between two without it (default 3)
  --seconds N        length of a window (default 2)
  --per-second N     packets of junk (default 20000)
  --all-it-can N     windows of a flood that is as fast as it can (default 1)
  --players N        players with 20 messages a second each (default 20)`;

const PACE_MS = 50;
const WARM_UP_MS = 1_500;
const SETTLE_MS = 300;
/** A flood may cost the round trips of others this much: a factor, and a bit for what a burst of it takes. */
const GOAL_P99_FACTOR = 1.5;
const GOAL_P99_MS = 5;
/** Nobody has the server multiply what is sent to it. */
const GOAL_BYTES_BACK = 1;

const { values: flags } = parseArgs({
  options: {
    kinds: { type: "string", default: junkKinds.join(",") },
    transports: { type: "string", default: "udp" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
    "per-second": { type: "string", default: "20000" },
    "all-it-can": { type: "string", default: "1" },
    players: { type: "string", default: "20" },
    help: { type: "boolean", default: false },
  },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
const perSecond = Number(flags["per-second"]);
const roundsOfAll = Number(flags["all-it-can"]);
const players = Number(flags.players);
const kinds = junkKinds.filter((kind) => flags.kinds.split(",").includes(kind));
const transports = (["udp", "tcp"] as const).filter((name) =>
  flags.transports.split(",").includes(name),
);

interface Window extends RoundTrips {
  /** Of the server. */
  cpuSeconds: number;
  datagramsRead: number;
  /** Of the flooder. */
  sent: number;
  bytesBackRatio: number;
}

/** A window under the flood, and the ones before and after it. */
interface Round {
  before: Window;
  during: Window;
  after: Window;
}

class FloodBench {
  private readonly gateway = new Child("./edge/gateway-server.js", import.meta.url);
  private readonly players = new Child("./flood/players.js", import.meta.url);
  private readonly flooder = new Child("./flood/flooder.js", import.meta.url);
  private port = 0;

  async start(): Promise<void> {
    this.port = await this.server("listen");
  }

  async stop(): Promise<void> {
    for (const child of [this.players, this.flooder, this.gateway]) await child.stop();
  }

  private ask<Answer>(question: PlayersQuestion): Promise<Answer> {
    return this.players.ask<Answer>(question);
  }

  private server(type: GatewayQuestion["type"]): Promise<number> {
    return this.gateway.ask<number>({ type });
  }

  private flood(question: FloodQuestion): Promise<FloodCount> {
    return this.flooder.ask<FloodCount>(question);
  }

  async open(transport: "tcp" | "udp"): Promise<void> {
    const { port } = this;
    await this.ask({ type: "open", transport, port, connections: players, paceMs: PACE_MS });
    await delay(WARM_UP_MS);
  }

  /** @returns how many messages were lost. */
  async close(): Promise<number> {
    return this.ask<number>({ type: "close" });
  }

  /** One window, under a flood or in peace. @throws when a player was lost */
  async window(kind: JunkKind | undefined, rate: number): Promise<Window> {
    const { port } = this;
    if (kind !== undefined) {
      // Twice as long as it is wanted, should nobody be there to stop it.
      const longest = 2 * (seconds + SETTLE_MS / 1000);
      await this.flood({ type: "start", kind, port, perSecond: rate, seconds: longest });
    }
    await delay(SETTLE_MS);
    const before = { ...(await this.flood({ type: "count" })), ...(await this.totals()) };
    await this.ask({ type: "begin" });
    await delay(seconds * 1000);
    const trips = await this.ask<RoundTrips>({ type: "end" });
    const after = { ...(await this.flood({ type: "count" })), ...(await this.totals()) };
    const { bytes, bytesBack } = await this.flood({ type: "stop" });
    return {
      ...trips,
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
      datagramsRead: after.datagramsRead - before.datagramsRead,
      sent: after.packets - before.packets,
      bytesBackRatio: kind === undefined ? 0 : bytesBack / bytes,
    };
  }

  private async totals(): Promise<{ cpuSeconds: number; datagramsRead: number }> {
    return {
      cpuSeconds: await this.server("cpu"),
      datagramsRead: await this.server("datagrams"),
    };
  }
}

async function measure(bench: FloodBench, kind: JunkKind, rate: number, times: number) {
  const measured: Round[] = [];
  let before = await bench.window(undefined, 0);
  for (let i = 0; i < times; i++) {
    const during = await bench.window(kind, rate);
    const after = await bench.window(undefined, 0);
    measured.push({ before, during, after });
    before = after;
  }
  const middle = (pick: (round: Round) => number) => round(median(measured.map(pick)), 3);
  // What of the flood was read; the system drops what comes faster than that.
  const read = ({ before, during }: Round) => during.datagramsRead - before.datagramsRead;
  return {
    sentPerSecond: Math.round(middle(({ during }) => during.sent / seconds)),
    readPerSecond: Math.round(middle((round) => read(round) / seconds)),
    cpuUsPerPacket: middle(
      (round) => ((round.during.cpuSeconds - round.before.cpuSeconds) * 1e6) / read(round),
    ),
    serverCpu: middle(({ during }) => during.cpuSeconds / seconds),
    bytesBackRatio: round(Math.max(...measured.map(({ during }) => during.bytesBackRatio)), 4),
    p50Ms: trips(middle, "p50Ms"),
    p99Ms: trips(middle, "p99Ms"),
    p99Beyond: middle(({ before, during }) => during.p99Ms - GOAL_P99_FACTOR * before.p99Ms),
  };
}

function trips(middle: (pick: (round: Round) => number) => number, which: "p50Ms" | "p99Ms") {
  return {
    before: middle(({ before }) => before[which]),
    during: middle(({ during }) => during[which]),
    after: middle(({ after }) => after[which]),
  };
}

type Result = Awaited<ReturnType<typeof measure>>;

function print(what: string, result: Result): void {
  const { sentPerSecond, readPerSecond, cpuUsPerPacket, serverCpu, p50Ms, p99Ms } = result;
  const three = (ms: Result["p50Ms"]) => `${ms.before} → ${ms.during} → ${ms.after}`;
  console.log(
    `${what.padEnd(28)} ${sentPerSecond}/s sent, ${readPerSecond}/s read, ${cpuUsPerPacket} µs each, ` +
      `server ${Math.round(100 * serverCpu)} %; p50 ${three(p50Ms)} ms, p99 ${three(p99Ms)} ms; ` +
      `${result.bytesBackRatio} bytes back per byte`,
  );
}

async function run(): Promise<void> {
  const bench = new FloodBench();
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  console.log(
    `${players} players with ${1000 / PACE_MS} messages a second each; one address floods. Before → during → after.`,
  );
  const figures: { [name: string]: unknown } = {};
  const goals: Goal[] = [];
  try {
    await bench.start();
    for (const transport of transports) {
      await bench.open(transport);
      for (const kind of kinds) {
        const what = `${transport} players, ${kind}`;
        const result = await measure(bench, kind, perSecond, rounds);
        print(what, result);
        figures[what] = result;
        goals.push(
          atMost(
            `${what}: round trip p99 beyond ${GOAL_P99_FACTOR} times what it was`,
            GOAL_P99_MS,
            "ms",
            result.p99Beyond,
          ),
          atMost(`${what}: bytes back per byte`, GOAL_BYTES_BACK, "", result.bytesBackRatio),
        );
        if (roundsOfAll === 0) continue;
        const all = await measure(bench, kind, 0, roundsOfAll);
        print(`${what}, all`, all);
        figures[`${what}, all it can`] = all;
        goals.push(
          atMost(`${what}, all: bytes back per byte`, GOAL_BYTES_BACK, "", all.bytesBackRatio),
        );
      }
      goals.push(atMost(`${transport} players: messages lost`, 0, "", await bench.close()));
    }
  } finally {
    await bench.stop();
  }
  printReport({
    bench: "flood",
    settings: { rounds, seconds, perSecond, roundsOfAll, players },
    figures,
    goals,
  });
}

if (flags.help) console.log(HELP);
else await run();
