import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type HistoryVerdict, violationText } from "@atlasnet/history";
import { ProcessCluster } from "atlasnet/testing";
import type { ClientCounts, ClientsQuestion } from "./lib/checked-clients.ts";
import { Child } from "./lib/child.ts";
import { atMost, type Goal, machine, printReport } from "./lib/report.ts";
import { median, quantile, round } from "./lib/statistics.ts";
import { Mover } from "./migrate/mover.ts";

/** A running world moves between two gameservers again and again, while clients play in it through two proxies. */

const HELP = `npm run bench -- migrate [options]
  --sizes LIST       KiB of the worlds' states (default 100,1024,16384)
  --migrations LIST  of each world (default 50,1000,20)
  --clients N        of each world: TCP, WebSocket and UDP in turn (default 100)
  --rate N           reliable messages per second and client (default 10)
  --quiet N          seconds without migrations, for comparison (default 20)`;

const { values: flags } = parseArgs({
  options: {
    sizes: { type: "string", default: "100,1024,16384" },
    migrations: { type: "string", default: "50,1000,20" },
    clients: { type: "string", default: "100" },
    rate: { type: "string", default: "10" },
    quiet: { type: "string", default: "20" },
    help: { type: "boolean", default: false },
  },
});

const MODULE = fileURLToPath(import.meta.resolve("@atlasnet/history/world"));
const KIB = 1024;
/** What belongs to a switch: as much before it and after it. */
const WINDOW_MS = 1_000;
/** Clients, gameservers and proxies have compiled their paths by then. */
const WARM_UP_MS = 5_000;
const GOAL_P99_MS = 75;
const GOAL_BASE = 1.5;
const GOAL_EVER_MS = 150;
const GOAL_TICK = 1.2;

/** How many of the moves with the longest gaps are told one by one. */
const SLOWEST = 8;

interface MoveFigures {
  /** From 1 on. */
  readonly move: number;
  /** Of the client that had the longest. */
  readonly gapMs: number;
  /** Clients whose gap was above the goal for all. */
  readonly lateClients: number;
  /** From the seal, as the target heard of it, to when its first tick was due. */
  readonly standsMs: number | undefined;
  readonly tookMs: number;
}

interface Round {
  readonly kib: number;
  readonly migrations: number;
  readonly failed: number;
  /** One per client and window. */
  readonly gaps: readonly number[];
  readonly quietGaps: readonly number[];
  readonly moves: readonly MoveFigures[];
  /** Mean time of a tick at the source, in ms. */
  readonly quietTickMs: number;
  readonly copyingTickMs: number;
  readonly counts: ClientCounts;
  readonly verdict: HistoryVerdict;
}

async function moveWorld(cluster: ProcessCluster, kib: number, migrations: number): Promise<Round> {
  const world = `moved-${kib}`;
  const config = { stateBytes: kib * KIB, beatTicks: 20 };
  await cluster.createWorld(world, MODULE, { config });
  const clients = new Child("./lib/checked-clients.js", import.meta.url);
  const ask = <Answer>(question: ClientsQuestion) => clients.ask<Answer>(question);
  try {
    const proxies = ["proxy-1", "proxy-2"].map((name) => cluster.node(name));
    const urls = ["tcp", "ws", "udp"].flatMap((scheme) =>
      proxies.map((proxy) => cluster.url(scheme, proxy)),
    );
    await ask<ClientCounts>({
      ...{ type: "join", world, urls },
      ...{ clients: Number(flags.clients), rate: Number(flags.rate) },
    });
    await delay(WARM_UP_MS);
    const mover = new Mover(cluster, world);
    const quietGaps: number[] = [];
    const quiet = await mover.ticks();
    for (let second = 0; second < Number(flags.quiet); second += (2 * WINDOW_MS) / 1000) {
      const from = Date.now();
      await delay(2 * WINDOW_MS);
      quietGaps.push(...(await ask<number[]>({ type: "gaps", from, to: Date.now() })));
    }
    const quietTickMs = (await mover.ticks()).meanSince(quiet);
    const gaps: number[] = [];
    const moves: MoveFigures[] = [];
    let failed = 0;
    const before = await mover.ticks();
    for (let count = 0; count < migrations; count++) {
      const moved = await mover.move();
      if (moved.outcome !== "moved") {
        failed += 1;
        console.log(`${world}: a migration ended with ${moved.problem}`);
        continue;
      }
      const from = moved.at - WINDOW_MS;
      const to = moved.at + WINDOW_MS;
      await delay(Math.max(0, to - Date.now()));
      const seen = await ask<number[]>({ type: "gaps", from, to });
      gaps.push(...seen);
      moves.push({
        move: count + 1,
        gapMs: round(Math.max(...seen), 1),
        lateClients: seen.filter((ms) => ms > GOAL_EVER_MS).length,
        standsMs: await mover.gap(),
        tookMs: moved.tookMs,
      });
    }
    const copyingTickMs = (await mover.ticks()).meanSince(before);
    const { verdict, counts } = await ask<{ verdict: HistoryVerdict; counts: ClientCounts }>({
      type: "finish",
    });
    return {
      ...{ kib, migrations, failed, gaps, quietGaps, moves },
      ...{ quietTickMs, copyingTickMs, counts, verdict },
    };
  } finally {
    await clients.stop();
  }
}

function figuresOf(result: Round) {
  const { gaps, quietGaps, moves, counts, verdict } = result;
  const tookMs = moves.map((move) => move.tookMs);
  const of = (values: readonly number[]) => ({
    p50: round(quantile(values, 0.5), 1),
    p99: round(quantile(values, 0.99), 1),
    max: round(Math.max(...values), 1),
  });
  return {
    kib: result.kib,
    migrations: result.migrations,
    failed: result.failed,
    gapMs: of(gaps),
    gapWithoutMs: of(quietGaps),
    standsMs: of(moves.flatMap(({ standsMs = [] }) => standsMs)),
    slowest: moves.toSorted((a, b) => b.gapMs - a.gapMs).slice(0, SLOWEST),
    tookMs: { median: round(median(tookMs), 1), max: round(Math.max(...tookMs), 1) },
    tickMs: { usual: round(result.quietTickMs, 3), moving: round(result.copyingTickMs, 3) },
    ...{ disconnects: counts.disconnects, said: counts.said, answered: counts.answered },
    ...{ violations: verdict.violations, complete: verdict.complete },
  };
}

function goalsOf(result: Round): Goal[] {
  const { kib, gapMs, gapWithoutMs, tickMs, disconnects, violations, failed } = figuresOf(result);
  const of = (what: string) => `${what}, ${kib} KiB`;
  const most = Math.max(GOAL_P99_MS, GOAL_BASE * gapWithoutMs.p99);
  return [
    atMost(of("migrations that failed"), 0, "", failed),
    atMost(of("disconnects"), 0, "", disconnects),
    atMost(of("messages lost, doubled or out of order"), 0, "", violations),
    atMost(of("gap, p99"), round(most, 1), "ms", gapMs.p99),
    atMost(of("gap, longest"), GOAL_EVER_MS, "ms", gapMs.max),
    atMost(of("tick time while moving"), GOAL_TICK, "× usual", round(tickMs.moving / tickMs.usual)),
  ];
}

async function run(): Promise<void> {
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  const sizes = flags.sizes.split(",").map(Number);
  const counts = flags.migrations.split(",").map(Number);
  const cluster = await ProcessCluster.start({
    ...{ apiservers: 3, proxies: 2, gameservers: 2, worlds: {} },
    // The largest state is made by one handler, as the world begins.
    settings: { "proxy.udp.port": "0", "gameserver.tickLimitMs": "10000" },
  });
  try {
    const results: Round[] = [];
    for (const [i, kib] of sizes.entries()) {
      const result = await moveWorld(cluster, kib, counts[i] ?? counts.at(-1) ?? 1);
      console.log(JSON.stringify(figuresOf(result)));
      for (const violation of result.verdict.told) console.log(violationText(violation));
      results.push(result);
    }
    const { help: _, ...settings } = flags;
    printReport({
      bench: "migrate",
      settings: { ...settings, processes: "3 apiservers, 2 proxies, 2 gameservers" },
      figures: { worlds: results.map(figuresOf) },
      goals: results.flatMap(goalsOf),
    });
  } finally {
    await cluster.stop();
  }
}

if (flags.help) console.log(HELP);
else await run();
