import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { LOAD_TRANSPORTS, type LoadTransport } from "@atlasnet/loadgen";
import { type NodeProcess, ProcessCluster, until } from "atlasnet/testing";
import { type CrowdRound, crowdRound } from "./crowd/crowd-round.ts";
import { atMost, type Goal, machine, printReport } from "./lib/report.ts";
import { median, round, spread } from "./lib/statistics.ts";
import { CELL, EXTENT, VIEW } from "./worlds/crowd-world.ts";

/**
 * What it costs to have a world mirrored: the same world on the same gameserver, under the same load, with durability
 * `journal` and `mirror` in turn.
 */

const HELP = `npm run bench -- mirror [options]
  --rounds N        measured windows of each durability, alternating (default 4), after one of each that is not measured
  --seconds N       length of a window (default 20)
  --clients N       (default 800)
  --rate N          reliable messages per second and client (default 1)
  --transport NAME  tcp, ws or udp (default tcp)
  --profile DIR     write CPU profiles of all processes there (slows them down)`;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "4" },
    seconds: { type: "string", default: "20" },
    clients: { type: "string", default: "800" },
    rate: { type: "string", default: "1" },
    transport: { type: "string", default: "tcp" },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const MODULE = fileURLToPath(new URL("./worlds/crowd-20.js", import.meta.url));
const WORLD = "mirrored";
/** Windows of each durability that are not measured. */
const WARM_UP_ROUNDS = 1;
const GOAL_CPU_PERCENT = 15;
const GOAL_P50_MS = 2;
const GOAL_P99_MS = 10;

/** Of /proc/PID/stat, counted from the one behind the name; the system time is next to it. */
const UTIME_FIELD = 11;
/** USER_HZ, the same on every Linux of today. */
const TICKS_PER_SECOND = 100;

const DURABILITIES = ["journal", "mirror"] as const;
type Durability = (typeof DURABILITIES)[number];

interface Measured extends CrowdRound {
  readonly durability: Durability;
  readonly owner: string;
  /** What the owner counted of output that waited for its mirror, in ms each; NaN when none did. */
  readonly waitMs: number;
  /** Of the owner's process: a machine that is busy with other things makes fewer ticks. */
  readonly cpuMsPerTick: number;
  /** Cores that the mirror's process used. */
  readonly mirrorCores: number;
}

/** Changes what the world is, and waits until it is so. */
async function change(cluster: ProcessCluster, durability: Durability) {
  await cluster.createWorld(WORLD, MODULE, { durability });
  if (durability === "mirror") await cluster.mirrored(WORLD);
  const catalogue = await cluster.control();
  await until(`${WORLD} is ${durability}`, async () => {
    const placement = (await catalogue.placements()).find(({ world }) => world === WORLD);
    return (placement?.mirror === undefined) === (durability === "journal");
  });
  return cluster.owned(WORLD);
}

async function measure(
  cluster: ProcessCluster,
  durability: Durability,
  { transport, seed }: { readonly transport: LoadTransport; readonly seed: number },
): Promise<Measured> {
  const owner = await change(cluster, durability);
  const mirror = cluster.nodes.find(
    ({ plan, node }) => plan.role === "gameserver" && node !== owner.node,
  );
  const port = Number(new URL(cluster.url("http", cluster.node("proxy-1"))).port);
  const load = {
    ...{ world: WORLD, transport, seed, execArgv: [] },
    clients: Number(flags.clients),
    rate: Number(flags.rate),
    seconds: Number(flags.seconds),
  };
  const mirrorCpu: number[] = [];
  const ownerCpu: number[] = [];
  const ticks: number[] = [];
  const cpuSeconds = async () => {
    mirrorCpu.push(await cpuOf(mirror));
    const own = await cpuOf(owner);
    ownerCpu.push(own);
    ticks.push(await ticksOf(owner));
    return own;
  };
  const before = await waitsOf(owner);
  const measured = await crowdRound({ port, cpuSeconds }, load);
  const after = await waitsOf(owner);
  const grown = ([from = Number.NaN, to = Number.NaN]: readonly number[]) => to - from;
  return {
    ...measured,
    ...{ durability, owner: owner.node },
    waitMs: ((after.seconds - before.seconds) * 1000) / (after.count - before.count),
    mirrorCores: grown(mirrorCpu) / load.seconds,
    cpuMsPerTick: (grown(ownerCpu) * 1000) / grown(ticks),
  };
}

/** User and system time of all threads so far, in seconds (Linux). The process itself does nothing for it. */
async function cpuOf(node: NodeProcess | undefined): Promise<number> {
  if (node?.pid === undefined) return Number.NaN;
  const stat = await readFile(`/proc/${node.pid}/stat`, "utf8");
  // The name before them may hold anything, parentheses included.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[UTIME_FIELD]) + Number(fields[UTIME_FIELD + 1])) / TICKS_PER_SECOND;
}

/** Of the only world, so far. A busy process may take its time to answer. */
async function ticksOf({ plan }: NodeProcess): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${plan.ports.health}/metrics`)).text();
  return Number(/^atlasnet_world_ticks_total\{.*\} (\d+)/m.exec(text)?.[1]);
}

/** What the owner counted of output that waited for its mirror. */
async function waitsOf(node: NodeProcess) {
  const seconds = await node.metric("atlasnet_mirror_wait_seconds_total");
  return { seconds, count: await node.metric("atlasnet_mirror_waits_total") };
}

function line(measured: Measured, isWarmUp: boolean): void {
  const { durability, owner, load, serverCores, cpuMsPerTick, mirrorCores, waitMs } = measured;
  const { messages, roundTripMs, generator, sequenceErrors, errors } = load;
  console.log(
    `${isWarmUp ? "warm-up, " : ""}${durability.padEnd(8)} on ${owner}: ${round(serverCores, 3)} cores, ${round(cpuMsPerTick)} ms per tick, the other one ` +
      `${round(mirrorCores, 3)} · round trip p50 ${roundTripMs?.p50} p99 ${roundTripMs?.p99} max ` +
      `${roundTripMs?.max} ms · waited for the mirror ${round(waitMs)} ms · ` +
      `${round((messages?.share ?? 0) * 100, 1)} % of ${messages?.askedRate} messages/s · generator ` +
      `${generator.cores} cores · ${sequenceErrors.total} sequence errors`,
  );
  for (const reason of generator.limited) console.log(`  generator-limited: ${reason}`);
  for (const [code, n] of Object.entries(errors)) console.log(`  ${n} × ${code}`);
}

function figuresOf(rounds: readonly Measured[]) {
  const values = (pick: (round: Measured) => number) => spread(rounds.map(pick));
  return {
    joined: values(({ load }) => load.clients.joined),
    ownerCores: values(({ serverCores }) => serverCores),
    ownerMsPerTick: values(({ cpuMsPerTick }) => cpuMsPerTick),
    otherCores: values(({ mirrorCores }) => mirrorCores),
    roundTripP50Ms: values(({ load }) => load.roundTripMs?.p50 ?? Number.NaN),
    roundTripP99Ms: values(({ load }) => load.roundTripMs?.p99 ?? Number.NaN),
    share: values(({ load }) => load.messages?.share ?? 0),
    sentLateP99Ms: values(({ load }) => load.generator.sendLateMs.p99),
    sequenceErrors: rounds.reduce((sum, { load }) => sum + load.sequenceErrors.total, 0),
    owners: rounds.map(({ owner }) => owner),
  };
}

/** Medians of the differences between neighbouring rounds: what the machine does besides is in both of them. */
function costsOf(plain: readonly Measured[], mirrored: readonly Measured[]) {
  const pairs = plain.flatMap((one, at) => {
    const other = mirrored[at];
    return other === undefined ? [] : [[one, other] as const];
  });
  const added = (pick: (round: Measured) => number) =>
    pairs.map(([one, other]) => round(pick(other) - pick(one), 2));
  return {
    cpuPercent: pairs.map(([one, other]) =>
      round((other.cpuMsPerTick / one.cpuMsPerTick - 1) * 100, 1),
    ),
    p50Ms: added(({ load }) => load.roundTripMs?.p50 ?? Number.NaN),
    p99Ms: added(({ load }) => load.roundTripMs?.p99 ?? Number.NaN),
    waitMs: mirrored.map(({ waitMs }) => round(waitMs)),
  };
}

function goalsOf(costs: ReturnType<typeof costsOf>, rounds: readonly Measured[]): Goal[] {
  const wrong = rounds.reduce((sum, { load }) => sum + load.sequenceErrors.total, 0);
  return [
    atMost(
      "CPU of the owner's process per tick, more",
      GOAL_CPU_PERCENT,
      "%",
      median(costs.cpuPercent),
    ),
    atMost("added latency, p50", GOAL_P50_MS, "ms", round(median(costs.p50Ms))),
    atMost("added latency, p99", GOAL_P99_MS, "ms", round(median(costs.p99Ms))),
    atMost("sequence errors", 0, "", wrong),
  ];
}

async function run(): Promise<void> {
  const transport = LOAD_TRANSPORTS.find((name) => name === flags.transport);
  if (transport === undefined)
    throw new Error(
      `--transport: found ${flags.transport}, allowed: ${LOAD_TRANSPORTS.join(", ")}`,
    );
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}; all processes and the load share them.`);
  const { profile } = flags;
  const cluster = await ProcessCluster.start({
    ...{ apiservers: 1, proxies: 1, gameservers: 2, worlds: {} },
    // All clients come from one address, which has a limit of its own.
    settings: { "proxy.limits.connectionsPerAddress": String(Number(flags.clients) + 100) },
    ...(profile !== undefined && { execArgv: ["--cpu-prof", `--cpu-prof-dir=${profile}`] }),
  });
  const rounds: Measured[] = [];
  try {
    // What a mirror adds is otherwise compiled while it is measured.
    for (let seed = 1 - WARM_UP_ROUNDS; seed <= Number(flags.rounds); seed++)
      for (const durability of DURABILITIES) {
        const measured = await measure(cluster, durability, { transport, seed });
        line(measured, seed < 1);
        if (seed >= 1) rounds.push(measured);
      }
    // Profiles are written by processes that end in order.
    if (profile !== undefined) await Promise.all(cluster.nodes.map((each) => each.stop()));
  } finally {
    await cluster.stop();
  }
  const of = (wanted: Durability) => rounds.filter(({ durability }) => durability === wanted);
  const costs = costsOf(of("journal"), of("mirror"));
  const { help: _, ...settings } = flags;
  printReport({
    bench: "mirror",
    settings: {
      ...settings,
      ...{ extent: EXTENT, cell: CELL, view: VIEW, tickRate: 20, warmUpRounds: WARM_UP_ROUNDS },
      processes: "1 apiserver, 1 proxy, 2 gameservers, 1 of clients",
    },
    figures: { journal: figuresOf(of("journal")), mirror: figuresOf(of("mirror")), costs },
    goals: goalsOf(costs, rounds),
  });
}

if (flags.help) console.log(HELP);
else await run();
