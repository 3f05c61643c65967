import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SeededRandom } from "@atlasnet/core/sim";
import { type HistoryVerdict, violationText } from "@atlasnet/history";
import { type NodeProcess, ProcessCluster, until } from "atlasnet/testing";
import type { ClientCounts, ClientsQuestion } from "./lib/checked-clients.ts";
import { Child } from "./lib/child.ts";
import { atMost, type Goal, machine, printReport } from "./lib/report.ts";
import { quantile, round } from "./lib/statistics.ts";

/** Processes of a cluster are killed at random moments, again and again, while clients play. */

const HELP = `npm run bench -- kill [options]
  --what LIST    gameserver, proxy, leader (default all three)
  --kills N      of each (default 100)
  --clients N    TCP, WebSocket and UDP in turn (default 30)
  --rate N       reliable messages per second and client (default 10)
  --kib N        of the world's state (default 100)
  --seed N       of the moments (default 1)
  --keep-over MS all processes write what they do; of a kill that took longer it is kept in a file`;

const { values: flags } = parseArgs({
  options: {
    what: { type: "string", default: "gameserver,proxy,leader" },
    kills: { type: "string", default: "100" },
    clients: { type: "string", default: "30" },
    rate: { type: "string", default: "10" },
    kib: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    "keep-over": { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const MODULE = fileURLToPath(import.meta.resolve("@atlasnet/history/world"));
const WORLD = "killed";
/** Between a cluster that is whole again and the next kill: at least so long, and up to twice that. */
const QUIET_MS = 1_000;
const WARM_UP_MS = 5_000;
const GOAL_TICKS_MS = 1_000;
const GOAL_RESUME_MS = 500;
const GOAL_PLACEMENT_MS = 1_000;
const GOAL_GAP_MS = 150;

const KEEP_OVER_MS = flags["keep-over"] === undefined ? undefined : Number(flags["keep-over"]);

type Victim = "gameserver" | "proxy" | "leader";

interface Result {
  readonly victim: Victim;
  readonly kills: number;
  /** What the goal is about, one figure per kill (proxies: per client), in ms. */
  readonly ms: readonly number[];
  /** The longest time without a tick at any client, per kill. */
  readonly gaps: readonly number[];
  readonly counts: ClientCounts;
  readonly verdict: HistoryVerdict;
}

class KillBench {
  private readonly cluster: ProcessCluster;
  private readonly clients = new Child("./lib/checked-clients.js", import.meta.url);
  private readonly random: SeededRandom;
  private writes = 0;

  constructor(cluster: ProcessCluster, seed: number) {
    this.cluster = cluster;
    this.random = new SeededRandom(seed);
  }

  async run(victim: Victim, kills: number): Promise<Result> {
    const { cluster } = this;
    const world = `${WORLD}-${victim}`;
    const config = { stateBytes: Number(flags.kib) * 1024, beatTicks: 20 };
    await cluster.createWorld(world, MODULE, { config, durability: "mirror" });
    const urls = ["tcp", "ws", "udp"].flatMap((scheme) =>
      this.of("proxy").map((proxy) => cluster.url(scheme, proxy)),
    );
    const [count, rate] = [Number(flags.clients), Number(flags.rate)];
    await this.ask({ type: "join", world, urls, clients: count, rate });
    await delay(WARM_UP_MS);
    const ms: number[] = [];
    const gaps: number[] = [];
    try {
      for (let i = 0; i < kills; i++) {
        await this.whole(world);
        await delay(QUIET_MS * (1 + this.random.float()));
        const from = now();
        const took = await this.kill(victim, world, from);
        ms.push(...took);
        await this.keepSlow(victim, i, { from, took: Math.max(...took) });
        gaps.push(Math.max(...(await this.ask<number[]>({ type: "gaps", from, to: now() }))));
      }
      await this.whole(world);
      const { verdict, counts } = await this.ask<{
        verdict: HistoryVerdict;
        counts: ClientCounts;
      }>({ type: "finish" });
      return { victim, kills, ms, gaps, counts, verdict };
    } finally {
      await this.clients.stop();
    }
  }

  /** Figures of one kill; the process runs again afterwards. */
  private async kill(victim: Victim, world: string, from: number): Promise<readonly number[]> {
    switch (victim) {
      case "gameserver": {
        const owner = await this.cluster.owned(world);
        await owner.kill();
        await this.cluster.owned(world, (node) => node !== owner.node);
        await this.ticking(from);
        await this.startAgain(owner);
        return [Math.max(...(await this.ask<number[]>({ type: "gaps", from, to: now() })))];
      }
      case "proxy": {
        const proxy = await this.busiestProxy();
        await proxy.kill();
        const resumes = () =>
          this.ask<{ away: number; tookMs: number[] }>({ type: "resumes", from });
        await until("those who lost their proxy are back", async () => {
          const { away, tookMs } = await resumes();
          return away === 0 && tookMs.length > 0;
        });
        await this.startAgain(proxy);
        return (await resumes()).tookMs;
      }
      case "leader": {
        const leader = await this.cluster.leader();
        await leader.kill();
        const killed = now();
        await this.placed(world);
        const ms = now() - killed;
        await this.startAgain(leader);
        return [ms];
      }
    }
  }

  /** What everybody wrote around a kill that took long. */
  private async keepSlow(
    victim: Victim,
    kill: number,
    { from, took }: { readonly from: number; readonly took: number },
  ): Promise<void> {
    if (KEEP_OVER_MS === undefined || took <= KEEP_OVER_MS) return;
    const file = await this.cluster.keepLogs(`kill-${victim}-${kill}`);
    const at = new Date(from).toISOString();
    console.log(`Kill ${kill} of a ${victim} at ${at} took ${round(took, 0)} ms: ${file}`);
  }

  /** Players of a killed proxy go to another one, and stay there. */
  private async busiestProxy(): Promise<NodeProcess> {
    let busiest: { readonly proxy: NodeProcess; readonly players: number } | undefined;
    for (const proxy of this.of("proxy")) {
      const players = await proxy.metric("atlasnet_proxy_connections");
      if (players > (busiest?.players ?? 0)) busiest = { proxy, players };
    }
    if (busiest === undefined) throw new Error("no proxy has players");
    return busiest.proxy;
  }

  /** Placement answers to a change: a world is asked for and owned, and gone again. */
  private async placed(module: string): Promise<void> {
    const name = `${module}-${this.writes++}`;
    await this.cluster.createWorld(name, MODULE, { durability: "none" });
    const { client } = await this.cluster.control();
    await client.request({ method: "DELETE", path: `/v1/worlds/${name}`, id: client.newId() });
  }

  private async ticking(from: number): Promise<void> {
    await until("ticks come to every client again", async () => {
      const { away } = await this.ask<{ away: number }>({ type: "resumes", from });
      const gaps = await this.ask<number[]>({ type: "gaps", from: now() - QUIET_MS, to: now() });
      return away === 0 && gaps.every((ms) => ms > 0);
    });
  }

  /** All processes are ready, and the world has an owner and a mirror in sync. */
  private async whole(world: string): Promise<void> {
    await this.cluster.owned(world);
    await this.cluster.mirrored(world);
  }

  private async startAgain(node: NodeProcess): Promise<void> {
    node.start();
    await node.ready();
  }

  private of(role: "proxy" | "gameserver"): readonly NodeProcess[] {
    return this.cluster.nodes.filter(({ plan }) => plan.role === role);
  }

  private ask<Answer>(question: ClientsQuestion): Promise<Answer> {
    return this.clients.ask<Answer>(question);
  }
}

/** The clock of the clients' process, too. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

function figuresOf({ victim, kills, ms, gaps, counts, verdict }: Result) {
  const of = (values: readonly number[]) => ({
    p50: round(quantile(values, 0.5), 0),
    p99: round(quantile(values, 0.99), 0),
    max: round(Math.max(...values), 0),
  });
  return {
    ...{ victim, kills, ms: of(ms), gapMs: of(gaps) },
    ...{ disconnects: counts.disconnects, said: counts.said, answered: counts.answered },
    ...{ violations: verdict.violations, complete: verdict.complete },
  };
}

function goalsOf(result: Result): Goal[] {
  const { victim, ms, gapMs, violations, disconnects } = figuresOf(result);
  const lost = atMost(`${victim}: messages lost, doubled or out of order`, 0, "", violations);
  switch (victim) {
    case "gameserver":
      return [
        lost,
        atMost("gameserver: the world ticks again within", GOAL_TICKS_MS, "ms", ms.max),
      ];
    case "proxy":
      return [lost, atMost("proxy: clients resume within", GOAL_RESUME_MS, "ms", ms.p99)];
    case "leader":
      return [
        lost,
        atMost("leader: placement works again within", GOAL_PLACEMENT_MS, "ms", ms.max),
        atMost("leader: disconnects", 0, "", disconnects),
        atMost("leader: longest time without a tick", GOAL_GAP_MS, "ms", gapMs.max),
      ];
  }
}

async function run(): Promise<void> {
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  const results: Result[] = [];
  for (const victim of flags.what.split(",") as Victim[]) {
    const cluster = await ProcessCluster.start({
      ...{ apiservers: 3, proxies: 2, gameservers: 3, worlds: {} },
      ...(KEEP_OVER_MS !== undefined && { settings: { "log.level": "debug" } }),
    });
    try {
      const bench = new KillBench(cluster, Number(flags.seed));
      const result = await bench.run(victim, Number(flags.kills));
      console.log(JSON.stringify(figuresOf(result)));
      for (const violation of result.verdict.told) console.log(violationText(violation));
      results.push(result);
    } finally {
      await cluster.stop();
    }
  }
  const { help: _, ...settings } = flags;
  printReport({
    bench: "kill",
    settings: { ...settings, processes: "3 apiservers, 2 proxies, 3 gameservers" },
    figures: { kills: results.map(figuresOf) },
    goals: results.flatMap(goalsOf),
  });
}

if (flags.help) console.log(HELP);
else await run();
