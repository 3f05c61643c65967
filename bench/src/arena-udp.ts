import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { ArenaTransport } from "./arena/arena-client.ts";
import type { GeneratorQuestion, WindowResult } from "./arena/generator.ts";
import { sealCostUs } from "./arena/seal-cost.ts";
import { sumOfChecks, viewGoals } from "./arena/view-goals.ts";
import { MOVE_RATE, SPEED } from "./arena/walker.ts";
import { Child } from "./lib/child.ts";
import { atMost, machine, printReport } from "./lib/report.ts";
import { ServerProcess } from "./lib/server-process.ts";
import { median, round } from "./lib/statistics.ts";
import { CELL, EXTENT, TICK_RATE, VIEW } from "./worlds/arena-world.ts";

/** What the players of bench arena cost over UDP, against the same players over WebSocket. */

const HELP = `npm run bench -- arena-udp [options]
  --rounds N     measured rounds of each transport, alternating (default 5)
  --seconds N    length of a round (default 8)
  --clients N    players (default 800)
  --profile DIR  write CPU profiles of the servers' threads there (slows them down)`;

const FIRST_WARM_UP_MS = 6_000;
const WARM_UP_MS = 1_500;
const CHECKED_CLIENTS = 16;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "8" },
    clients: { type: "string", default: "800" },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const settings = {
  rounds: Number(flags.rounds),
  seconds: Number(flags.seconds),
  clients: Number(flags.clients),
};

interface Round {
  cpuMsPerTick: number;
  packetsInPerTick: number;
  packetsOutPerTick: number;
  bytesOutPerPacket: number;
  window: WindowResult;
}

/** A monolith and the players of one transport. */
class Side {
  readonly transport: ArenaTransport;
  private readonly generator = new Child("./arena/generator.js", import.meta.url);
  private monolith: ServerProcess | undefined;
  private warm = false;

  constructor(transport: ArenaTransport) {
    this.transport = transport;
  }

  private generate<Answer>(question: GeneratorQuestion): Promise<Answer> {
    return this.generator.ask<Answer>(question);
  }

  async start(): Promise<void> {
    const world = fileURLToPath(new URL("./worlds/arena-world.js", import.meta.url));
    const { profile } = flags;
    const connections = String(settings.clients + 100);
    this.monolith = await ServerProcess.start({
      command: "monolith",
      flags: [
        ...["--world", `arena=${world}`, "--gameserver.threads", "1"],
        ...["--proxy.limits.connectionsPerAddress", connections],
        ...["--proxy.udp.handshakesPerSecond", "5000"],
      ],
      execArgv: profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`],
    });
    await this.generate({
      type: "open",
      side: "atlasnet",
      transport: this.transport,
      port: this.monolith.port,
      world: "arena",
      clients: settings.clients,
      checked: CHECKED_CLIENTS,
    });
  }

  async stop(): Promise<void> {
    await this.generator.stop();
    await this.monolith?.stop();
  }

  private async counters() {
    if (this.monolith === undefined) throw new Error("start comes first");
    const metrics = await this.monolith.metrics();
    return {
      cpuSeconds: metrics("atlasnet_process_cpu_seconds_total"),
      packetsIn: metrics("atlasnet_proxy_udp_received_packets_total"),
      packetsOut: metrics("atlasnet_proxy_udp_sent_packets_total"),
      bytesOut: metrics("atlasnet_proxy_udp_sent_bytes_total"),
    };
  }

  async round(): Promise<Round> {
    await this.generate({ type: "go", side: "atlasnet" });
    await delay(this.warm ? WARM_UP_MS : FIRST_WARM_UP_MS);
    this.warm = true;
    const before = await this.counters();
    const startedAt = performance.now();
    await this.generate({ type: "begin" });
    await delay(settings.seconds * 1000);
    const window = await this.generate<WindowResult>({ type: "end" });
    const ticks = ((performance.now() - startedAt) / 1000) * TICK_RATE;
    const after = await this.counters();
    await this.generate({ type: "halt" });
    const sent = after.packetsOut - before.packetsOut;
    return {
      cpuMsPerTick: round(((after.cpuSeconds - before.cpuSeconds) * 1000) / ticks),
      packetsInPerTick: round((after.packetsIn - before.packetsIn) / ticks, 0),
      packetsOutPerTick: round(sent / ticks, 0),
      bytesOutPerPacket: sent === 0 ? 0 : round((after.bytesOut - before.bytesOut) / sent, 0),
      window,
    };
  }
}

function line(name: string, { cpuMsPerTick, window, ...udp }: Round): void {
  const packets =
    udp.packetsOutPerTick > 0
      ? ` · ${udp.packetsInPerTick} packets in, ${udp.packetsOutPerTick} out per tick`
      : "";
  console.log(
    `${name.padEnd(4)} ${cpuMsPerTick.toFixed(2).padStart(6)} ms CPU per tick · ` +
      `${window.bytesPerSecond.mean} B/s and client · generator ` +
      `${round(window.generatorCpuShare * 100, 0)} % of a core${packets}`,
  );
}

async function run(): Promise<void> {
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  console.log(
    `${settings.clients} clients in a world of ${EXTENT} × ${EXTENT}, cells of ${CELL}, view ` +
      `${2 * VIEW + 1} × ${2 * VIEW + 1}, ${MOVE_RATE} moves a second each at ${SPEED} units a second, ` +
      `${TICK_RATE} ticks a second; one server for each transport.`,
  );
  const sides = { ws: new Side("ws"), udp: new Side("udp") };
  const rounds: { ws: Round[]; udp: Round[] } = { ws: [], udp: [] };
  try {
    await sides.ws.start();
    await sides.udp.start();
    for (let i = 0; i < settings.rounds; i++) {
      for (const name of ["ws", "udp"] as const) {
        const one = await sides[name].round();
        line(name, one);
        rounds[name].push(one);
      }
    }
  } finally {
    await sides.ws.stop();
    await sides.udp.stop();
  }
  report(rounds);
}

function report({ ws, udp }: { ws: Round[]; udp: Round[] }): void {
  const middle = (rounds: readonly Round[], pick: (one: Round) => number) =>
    round(median(rounds.map(pick)));
  const bytesOut = middle(udp, (one) => one.bytesOutPerPacket);
  const cost = sealCostUs(bytesOut);
  const sealsMs = (one: Round) =>
    (one.packetsOutPerTick * cost.seal + one.packetsInPerTick * cost.open) / 1000;
  const excess = udp.map((one, i) =>
    round(one.cpuMsPerTick / ((ws[i] ?? one).cpuMsPerTick + sealsMs(one))),
  );
  const windows = udp.map(({ window }) => window);
  printReport({
    bench: "arena-udp",
    settings,
    figures: {
      wsCpuMsPerTick: middle(ws, (one) => one.cpuMsPerTick),
      udpCpuMsPerTick: middle(udp, (one) => one.cpuMsPerTick),
      packetsInPerTick: middle(udp, (one) => one.packetsInPerTick),
      packetsOutPerTick: middle(udp, (one) => one.packetsOutPerTick),
      bytesOutPerPacket: bytesOut,
      sealUs: cost.seal,
      openUs: cost.open,
      sealsMsPerTick: middle(udp, sealsMs),
      wsBytesPerSecond: middle(ws, ({ window }) => window.bytesPerSecond.mean),
      udpBytesPerSecond: middle(udp, ({ window }) => window.bytesPerSecond.mean),
      moveToUpdateP50Ms: middle(udp, ({ window }) => window.check?.delayP50Ms ?? 0),
      moveToUpdateP99Ms: middle(udp, ({ window }) => window.check?.delayP99Ms ?? 0),
      updatesChecked: sumOfChecks(windows, (check) => check.updates),
    },
    goals: [
      atMost("CPU per tick against WebSocket plus seals (median)", 1, "×", median(excess)),
      ...viewGoals(windows),
    ],
  });
}

if (flags.help) console.log(HELP);
else await run();
