import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { BareQuestion } from "./arena/bare-server.ts";
import type { GeneratorQuestion, Side, WindowResult } from "./arena/generator.ts";
import { sumOfChecks, viewGoals } from "./arena/view-goals.ts";
import { MOVE_RATE, SPEED } from "./arena/walker.ts";
import { Child } from "./lib/child.ts";
import { atMost, between, machine, printReport } from "./lib/report.ts";
import { ServerProcess } from "./lib/server-process.ts";
import { median, round } from "./lib/statistics.ts";
import { CELL, EXTENT, STEP, TICK_RATE, VIEW } from "./worlds/arena-world.ts";

/** What many players in one world cost, against a bare `ws` server with the same messages. */

const HELP = `npm run bench -- arena [options]
  --rounds N     measured rounds of each server, alternating (default 5)
  --seconds N    length of a round (default 8)
  --clients N    players; a second part measures half of them (default 800)
  --profile DIR  write CPU profiles of the server's threads there (slows it down)`;

/** Before the first round of a server, and before each later one. */
const FIRST_WARM_UP_MS = 6_000;
const WARM_UP_MS = 1_500;
const CHECKED_CLIENTS = 16;
/** Bytes per second and client that 800 clients may cost; with fewer players in view, fewer. */
const BYTES_PER_CLIENT = 2_000 / 800;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "8" },
    clients: { type: "string", default: "800" },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

interface Round {
  cpuMsPerTick: number;
  window: WindowResult;
}

class ArenaBench {
  readonly rounds = Number(flags.rounds);
  readonly seconds = Number(flags.seconds);
  readonly clients = Number(flags.clients);
  private readonly generator = new Child("./arena/generator.js", import.meta.url);
  private readonly bare = new Child("./arena/bare-server.js", import.meta.url);
  private monolith: ServerProcess | undefined;
  private readonly warm = new Set<Side>();

  private generate<Answer>(question: GeneratorQuestion): Promise<Answer> {
    return this.generator.ask<Answer>(question);
  }

  private askBare<Answer>(question: BareQuestion): Promise<Answer> {
    return this.bare.ask<Answer>(question);
  }

  private get server(): ServerProcess {
    if (this.monolith === undefined) throw new Error("the monolith is started first");
    return this.monolith;
  }

  async start(): Promise<void> {
    const world = fileURLToPath(new URL("./worlds/arena-world.js", import.meta.url));
    const { profile } = flags;
    this.monolith = await ServerProcess.start({
      command: "monolith",
      flags: ["--world", `arena=${world}`, "--gameserver.threads", "1", ...this.limits()],
      execArgv: profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`],
    });
    const port = await this.askBare<number>({ type: "listen" });
    const { clients } = this;
    const checked = CHECKED_CLIENTS;
    await this.generate({
      type: "open",
      side: "atlasnet",
      transport: "ws",
      port: this.monolith.port,
      world: "arena",
      clients,
      checked,
    });
    const transport = "ws";
    await this.generate({
      type: "open",
      side: "bare",
      transport,
      port,
      world: "",
      clients,
      checked,
    });
  }

  /** All clients come from one address, which has a limit of its own. */
  private limits(): string[] {
    const limit = String(this.clients + 100);
    return this.clients < 900 ? [] : ["--proxy.limits.connectionsPerAddress", limit];
  }

  async stop(): Promise<void> {
    await this.generator.stop();
    await this.bare.stop();
    await this.monolith?.stop();
  }

  async atlasnet(): Promise<Round> {
    return this.round("atlasnet", () => this.server.cpuSeconds());
  }

  /** A round of the bare server with as many and as large messages as `like`. */
  async peer(like: WindowResult): Promise<Round> {
    await this.generate({ type: "resize", bytes: Math.round(like.sentBytesPerMessage) });
    await this.askBare({
      type: "go",
      bytes: Math.round(like.bytesPerMessage),
      share: Math.min(1, like.messagesPerSecond / TICK_RATE),
      intervalMs: 1000 / TICK_RATE,
    });
    const round = await this.round(
      "bare",
      async () => (await this.askBare<{ cpuSeconds: number }>({ type: "cpu" })).cpuSeconds,
    );
    await this.askBare({ type: "halt" });
    return round;
  }

  private async round(side: Side, cpuSeconds: () => Promise<number>): Promise<Round> {
    await this.generate({ type: "go", side });
    await delay(this.warm.has(side) ? WARM_UP_MS : FIRST_WARM_UP_MS);
    this.warm.add(side);
    const before = await cpuSeconds();
    const startedAt = performance.now();
    await this.generate({ type: "begin" });
    await delay(this.seconds * 1000);
    const window = await this.generate<WindowResult>({ type: "end" });
    const seconds = (performance.now() - startedAt) / 1000;
    const used = (await cpuSeconds()) - before;
    await this.generate({ type: "halt" });
    return { cpuMsPerTick: round((used * 1000) / (seconds * TICK_RATE)), window };
  }

  async shrink(clients: number): Promise<void> {
    await this.generate({ type: "shrink", side: "atlasnet", clients });
    await this.generate({ type: "shrink", side: "bare", clients });
  }

  async rss(): Promise<number> {
    const metrics = await this.server.metrics();
    return round(metrics('atlasnet_process_memory_bytes{kind="rss"') / 1e6, 0);
  }
}

function line(name: string, { cpuMsPerTick, window }: Round): void {
  const { messagesPerSecond, bytesPerMessage, bytesPerSecond, gapP50Ms, gapP99Ms } = window;
  console.log(
    `${name.padEnd(9)} ${cpuMsPerTick.toFixed(2).padStart(6)} ms CPU per tick · ` +
      `${messagesPerSecond} messages of ${bytesPerMessage} bytes per second and client ` +
      `(${bytesPerSecond.mean} B/s) · gap p50 ${gapP50Ms} p99 ${gapP99Ms} ms · ` +
      `generator ${round(window.generatorCpuShare * 100, 0)} % of a core`,
  );
}

const spread = (values: readonly number[]) => ({
  median: round(median(values)),
  min: Math.min(...values),
  max: Math.max(...values),
});

async function run(): Promise<void> {
  const bench = new ArenaBench();
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  console.log(
    `${bench.clients} WebSocket clients in a world of ${EXTENT} × ${EXTENT}, cells of ${CELL}, ` +
      `view ${2 * VIEW + 1} × ${2 * VIEW + 1}, ${MOVE_RATE} moves a second each at ` +
      `${SPEED} units a second, ${TICK_RATE} ticks a second, steps of ${STEP}.`,
  );
  try {
    await bench.start();
    const ours: Round[] = [];
    const theirs: Round[] = [];
    for (let i = 0; i < bench.rounds; i++) {
      const own = await bench.atlasnet();
      line("atlasnet", own);
      const peer = await bench.peer(own.window);
      line("bare ws", peer);
      ours.push(own);
      theirs.push(peer);
    }
    const rss = await bench.rss();
    const half = bench.clients / 2;
    await bench.shrink(half);
    const halfRound = await bench.atlasnet();
    line(`(${half})`, halfRound);
    const halfPeer = await bench.peer(halfRound.window);
    line("bare ws", halfPeer);
    report(bench, { ours, theirs, halfRound, halfPeer, rss });
  } finally {
    await bench.stop();
  }
}

function report(
  bench: ArenaBench,
  measured: { ours: Round[]; theirs: Round[]; halfRound: Round; halfPeer: Round; rss: number },
): void {
  const { ours, theirs, halfRound, halfPeer, rss } = measured;
  const half = bench.clients / 2;
  const ratios = ours.map(({ cpuMsPerTick }, i) =>
    round(cpuMsPerTick / (theirs[i]?.cpuMsPerTick ?? Number.NaN)),
  );
  const middle = (pick: (window: WindowResult) => number, rounds = ours) =>
    round(median(rounds.map(({ window }) => pick(window))));
  const windows = [...ours, halfRound].map(({ window }) => window);
  const bytes = middle((window) => window.bytesPerSecond.mean);
  const halfBytes = halfRound.window.bytesPerSecond.mean;
  printReport({
    bench: "arena",
    settings: {
      clients: bench.clients,
      rounds: bench.rounds,
      seconds: bench.seconds,
      extent: EXTENT,
      cell: CELL,
      view: VIEW,
      step: STEP,
      tickRate: TICK_RATE,
      movesPerSecond: MOVE_RATE,
      unitsPerSecond: SPEED,
      threads: 1,
    },
    figures: {
      cpuMsPerTick: spread(ours.map((r) => r.cpuMsPerTick)),
      bareCpuMsPerTick: spread(theirs.map((r) => r.cpuMsPerTick)),
      ratio: spread(ratios),
      halfCpuMsPerTick: halfRound.cpuMsPerTick,
      halfBareCpuMsPerTick: halfPeer.cpuMsPerTick,
      bytesPerSecond: { [bench.clients]: bytes, [half]: halfBytes },
      bytesPerSecondMax: {
        [bench.clients]: middle((window) => window.bytesPerSecond.max),
        [half]: halfRound.window.bytesPerSecond.max,
      },
      messagesPerSecond: middle((window) => window.messagesPerSecond),
      bytesPerMessage: middle((window) => window.bytesPerMessage),
      bareGapP99Ms: middle((window) => window.gapP99Ms, theirs),
      gapMaxMs: Math.max(...ours.map(({ window }) => window.gapMaxMs)),
      moveToUpdateP50Ms: middle((window) => window.check?.delayP50Ms ?? 0),
      moveToUpdateP99Ms: middle((window) => window.check?.delayP99Ms ?? 0),
      entitiesInView: middle((window) => window.check?.entitiesInView ?? 0),
      updatesChecked: sumOfChecks(windows, (check) => check.updates),
      rssMB: rss,
    },
    goals: [
      atMost("CPU per tick against bare ws (median of rounds)", 1.5, "×", median(ratios)),
      atMost(
        `payload bytes per second and client, ${bench.clients} clients`,
        BYTES_PER_CLIENT * bench.clients,
        "B/s",
        bytes,
      ),
      atMost(
        `payload bytes per second and client, ${half} clients`,
        BYTES_PER_CLIENT * half,
        "B/s",
        halfBytes,
      ),
      atMost(
        "gap between updates at a client, p99",
        75,
        "ms",
        middle((w) => w.gapP99Ms),
      ),
      between(
        "ticks per second",
        TICK_RATE * 0.99,
        TICK_RATE * 1.01,
        middle((w) => w.ticks / w.seconds),
      ),
      ...viewGoals(
        windows,
        ours.map(({ window }) => window),
      ),
    ],
  });
}

if (flags.help) console.log(HELP);
else await run();
