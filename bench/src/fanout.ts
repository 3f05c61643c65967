import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { GeneratorQuestion } from "./arena/generator.ts";
import { Child } from "./lib/child.ts";
import { Cluster } from "./lib/cluster.ts";
import { atMost, machine, printReport } from "./lib/report.ts";
import { median, round } from "./lib/statistics.ts";
import { TICK_RATE } from "./worlds/arena-world.ts";

/** What a gameserver pays for a second proxy, and for clients who only watch. */

const HELP = `npm run bench -- fanout [options]
  --rounds N     measured rounds of each part (default 5)
  --seconds N    length of a round (default 6)
  --clients N    players (default 800)
  --profile DIR  write CPU profiles of all servers there (slows them down)`;

const WARM_UP_MS = 6_000;
const SETTLE_MS = 1_500;
/** The audience that a larger one is compared with. */
const FEW = 100;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "6" },
    clients: { type: "string", default: "800" },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
const clients = Number(flags.clients);

/** A cluster and the process with all its clients. */
class Scene {
  private readonly cluster: Cluster;
  private readonly generator = new Child("./arena/generator.js", import.meta.url);

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  static async start(proxies: number, world: string, players: number): Promise<Scene> {
    const module = fileURLToPath(new URL(`./worlds/${world}-world.js`, import.meta.url));
    const limit = ["--proxy.limits.connectionsPerAddress", String(clients + 100)];
    const { profile } = flags;
    const scene = new Scene(
      await Cluster.start({
        proxies,
        world: [world, module],
        proxyFlags: limit,
        execArgv: profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`],
      }),
    );
    for (const { port } of scene.cluster.proxies)
      await scene.ask({
        type: "open",
        side: "atlasnet",
        transport: "ws",
        port,
        world,
        clients: players / proxies,
        checked: 0,
      });
    return scene;
  }

  ask<Answer>(question: GeneratorQuestion): Promise<Answer> {
    return this.generator.ask<Answer>(question);
  }

  /** CPU of the gameserver per tick, all its threads, in ms, over a window. */
  async gameserverMsPerTick(): Promise<number> {
    const { gameserver } = this.cluster;
    const before = await gameserver.cpuSeconds();
    const startedAt = performance.now();
    await delay(seconds * 1000);
    const used = (await gameserver.cpuSeconds()) - before;
    return (used * 1000) / (((performance.now() - startedAt) / 1000) * TICK_RATE);
  }

  async movingMsPerTick(): Promise<number> {
    await this.ask({ type: "go", side: "atlasnet" });
    await delay(SETTLE_MS);
    const ms = await this.gameserverMsPerTick();
    await this.ask({ type: "halt" });
    return ms;
  }

  async stop(): Promise<void> {
    await this.generator.stop();
    await this.cluster.stop();
  }
}

/** Two scenes side by side, each opened before the first is measured. */
async function withScenes<T>(
  starts: readonly (() => Promise<Scene>)[],
  measure: (scenes: readonly Scene[]) => Promise<T>,
): Promise<T> {
  const scenes: Scene[] = [];
  try {
    for (const start of starts) scenes.push(await start());
    return await measure(scenes);
  } finally {
    for (const scene of scenes) await scene.stop();
  }
}

interface Pair {
  one: number;
  other: number;
}

function report(what: string, names: readonly [string, string], pairs: readonly Pair[]) {
  const one = median(pairs.map((pair) => pair.one));
  const other = median(pairs.map((pair) => pair.other));
  const ratio = median(pairs.map((pair) => pair.other / pair.one));
  console.log(
    `${what}: ${names[0]} ${round(one)} ms, ${names[1]} ${round(other)} ms, ratio ${round(ratio)}`,
  );
  return { [names[0]]: round(one), [names[1]]: round(other), ratio: round(ratio) };
}

async function run(): Promise<void> {
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}. CPU of the gameserver per tick:`);
  const moving = await withScenes(
    [() => Scene.start(1, "arena", clients), () => Scene.start(2, "arena", clients)],
    async ([one, two]) => {
      const pairs: Pair[] = [];
      if (one === undefined || two === undefined) return pairs;
      for (const scene of [one, two]) {
        await scene.ask({ type: "go", side: "atlasnet" });
        await delay(WARM_UP_MS);
        await scene.ask({ type: "halt" });
      }
      for (let i = 0; i < rounds; i++)
        pairs.push({ one: await one.movingMsPerTick(), other: await two.movingMsPerTick() });
      return pairs;
    },
  );
  const proxies = report(`${clients} players who move`, ["one proxy", "two proxies"], moving);
  const watching = await withScenes(
    [() => Scene.start(1, "stage", FEW), () => Scene.start(1, "stage", clients)],
    async ([few, many]) => {
      const pairs: Pair[] = [];
      if (few === undefined || many === undefined) return pairs;
      await delay(WARM_UP_MS);
      for (let i = 0; i < rounds; i++) {
        // Both worlds tick all the time, so both are measured at once.
        const [one, other] = await Promise.all([
          few.gameserverMsPerTick(),
          many.gameserverMsPerTick(),
        ]);
        pairs.push({ one, other });
      }
      return pairs;
    },
  );
  const audience = report("an audience", [`${FEW} clients`, `${clients} clients`], watching);
  printReport({
    bench: "fanout",
    settings: { rounds, seconds, clients },
    figures: { gameserverMsPerTick: { moving: proxies, audience } },
    goals: [
      atMost("gameserver CPU per tick, two proxies against one", 1.2, "", proxies.ratio ?? 0),
      atMost(
        `gameserver CPU per tick, an audience of ${clients} against ${FEW}`,
        1.2,
        "",
        audience.ratio ?? 0,
      ),
    ],
  });
}

if (flags.help) console.log(HELP);
else await run();
