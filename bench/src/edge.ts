import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { BarePorts, BareQuestion } from "./edge/bare-server.ts";
import type { TransportName } from "./edge/carriers.ts";
import type { GatewayQuestion } from "./edge/gateway-server.ts";
import type { EdgeQuestion, EdgeSide, EdgeWindow } from "./edge/generator.ts";
import { Child } from "./lib/child.ts";
import { atMost, type Goal, machine, printReport } from "./lib/report.ts";
import { median, round } from "./lib/statistics.ts";

/** What a message costs on its way through gateway and session layer, against a bare echo. */

const HELP = `npm run bench -- edge [options]
  --rounds N         measured rounds of each case, both sides alternating (default 5)
  --seconds N        length of a round (default 3)
  --connections N    (default 64)
  --transports LIST  (default tcp,ws,udp)
  --sizes LIST       payload bytes (default 64,512)
  --profile DIR      write CPU profiles of the gateway there (slows it down)`;

/** Both sides have compiled their hot paths by then. */
const FIRST_WARM_UP_MS = 3_000;
const WARM_UP_MS = 500;
const PIPELINED = 16;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    connections: { type: "string", default: "64" },
    transports: { type: "string", default: "tcp,ws,udp" },
    sizes: { type: "string", default: "64,512" },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const TRANSPORTS: readonly TransportName[] = ["tcp", "ws", "udp"];
const GOAL_CPU = 1.5;
const GOAL_P99 = 2;

interface Figures {
  cpuUs: number;
  p50Us: number;
  p99Us: number;
  perSecond: number;
}

interface Case {
  transport: TransportName;
  bytes: number;
  inFlight: number;
}

class EdgeBench {
  readonly rounds = Number(flags.rounds);
  readonly seconds = Number(flags.seconds);
  readonly connections = Number(flags.connections);
  private readonly generator = new Child("./edge/generator.js", import.meta.url);
  private readonly bare = new Child("./edge/bare-server.js", import.meta.url);
  private readonly gateway = new Child(
    "./edge/gateway-server.js",
    import.meta.url,
    flags.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${flags.profile}`],
  );
  private port = 0;
  private barePorts: BarePorts = { tcp: 0, ws: 0, udp: 0 };
  private readonly warm = new Set<string>();

  private generate<Answer>(question: EdgeQuestion): Promise<Answer> {
    return this.generator.ask<Answer>(question);
  }

  async start(): Promise<void> {
    this.port = await this.gateway.ask<number>({ type: "listen" } satisfies GatewayQuestion);
    this.barePorts = await this.bare.ask<BarePorts>({ type: "listen" } satisfies BareQuestion);
  }

  async stop(): Promise<void> {
    await this.generator.stop();
    await this.bare.stop();
    await this.gateway.stop();
  }

  private cpuSeconds(side: EdgeSide): Promise<number> {
    return side === "bare"
      ? this.bare.ask<number>({ type: "cpu" } satisfies BareQuestion)
      : this.gateway.ask<number>({ type: "cpu" } satisfies GatewayQuestion);
  }

  async round(side: EdgeSide, { transport, bytes, inFlight }: Case): Promise<Figures> {
    const { connections, port, barePorts } = this;
    await this.generate({
      type: "open",
      side,
      transport,
      port: side === "bare" ? barePorts[transport] : port,
      connections,
      inFlight,
      bytes,
    });
    const what = `${side} ${transport}`;
    await delay(this.warm.has(what) ? WARM_UP_MS : FIRST_WARM_UP_MS);
    this.warm.add(what);
    const before = await this.cpuSeconds(side);
    await this.generate({ type: "begin" });
    await delay(this.seconds * 1000);
    const window = await this.generate<EdgeWindow>({ type: "end" });
    const used = (await this.cpuSeconds(side)) - before;
    await this.generate({ type: "close" });
    return {
      cpuUs: round((used * 1e6) / window.messages),
      p50Us: window.p50Us,
      p99Us: window.p99Us,
      perSecond: Math.round(window.messages / window.seconds),
    };
  }
}

const wanted = flags.transports.split(",");
const transports = TRANSPORTS.filter((name) => wanted.includes(name));
const sizes = flags.sizes.split(",").map(Number);

function line(name: string, { cpuUs, p50Us, p99Us, perSecond }: Figures): string {
  return `${name} ${cpuUs.toFixed(1)} µs CPU, p50 ${p50Us} p99 ${p99Us} µs, ${perSecond}/s`;
}

async function measure(bench: EdgeBench, about: Case) {
  const ours: Figures[] = [];
  const theirs: Figures[] = [];
  for (let i = 0; i < bench.rounds; i++) {
    const own = await bench.round("atlasnet", about);
    const peer = await bench.round("bare", about);
    ours.push(own);
    theirs.push(peer);
    const title = `${about.transport} ${about.bytes} B${about.inFlight > 1 ? ` × ${about.inFlight}` : ""}`;
    console.log(`${title.padEnd(14)} ${line("atlasnet", own)} · ${line("bare", peer)}`);
  }
  const middle = (figures: readonly Figures[], pick: (figure: Figures) => number) =>
    round(median(figures.map(pick)));
  const ratio = (pick: (figure: Figures) => number) =>
    round(median(ours.map((own, i) => pick(own) / pick(theirs[i] ?? own))));
  return {
    cpuUs: middle(ours, (f) => f.cpuUs),
    bareCpuUs: middle(theirs, (f) => f.cpuUs),
    cpuRatio: ratio((f) => f.cpuUs),
    p50Us: middle(ours, (f) => f.p50Us),
    bareP50Us: middle(theirs, (f) => f.p50Us),
    p99Us: middle(ours, (f) => f.p99Us),
    bareP99Us: middle(theirs, (f) => f.p99Us),
    p99Ratio: ratio((f) => f.p99Us),
    perSecond: middle(ours, (f) => f.perSecond),
    barePerSecond: middle(theirs, (f) => f.perSecond),
  };
}

async function run(): Promise<void> {
  const bench = new EdgeBench();
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  console.log(
    `${bench.connections} connections in closed loops through gateway and session layer to an echo behind the ` +
      "in-process link, and through a bare echo (UDP: each packet opened and sealed).",
  );
  const figures: { [name: string]: unknown } = {};
  const goals: Goal[] = [];
  try {
    await bench.start();
    for (const transport of transports) {
      for (const bytes of sizes) {
        const result = await measure(bench, { transport, bytes, inFlight: 1 });
        figures[`${transport} ${bytes}`] = result;
        goals.push(
          atMost(`${transport}, ${bytes} bytes: CPU per message`, GOAL_CPU, "×", result.cpuRatio),
          atMost(`${transport}, ${bytes} bytes: round trip p99`, GOAL_P99, "×", result.p99Ratio),
        );
      }
      const [bytes = 64] = sizes;
      figures[`${transport} ${bytes}, ${PIPELINED} in flight`] = await measure(bench, {
        transport,
        bytes,
        inFlight: PIPELINED,
      });
    }
  } finally {
    await bench.stop();
  }
  printReport({
    bench: "edge",
    settings: {
      rounds: bench.rounds,
      seconds: bench.seconds,
      connections: bench.connections,
      inFlight: 1,
      upstreamFlushMs: 0,
    },
    figures,
    goals,
  });
}

if (flags.help) console.log(HELP);
else await run();
