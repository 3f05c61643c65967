import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { LOAD_TRANSPORTS, type LoadTransport } from "@atlasnet/loadgen";
import { type CrowdRound, crowdRound } from "./crowd/crowd-round.ts";
import { atMost, between, type Goal, machine, printReport } from "./lib/report.ts";
import { ServerProcess } from "./lib/server-process.ts";
import { median, round, spread } from "./lib/statistics.ts";
import { CELL, EXTENT, VIEW } from "./worlds/crowd-world.ts";

/** How many players one machine holds, the load generator being on it, too. */

const HELP = `npm run bench -- crowd [options]
  --rounds N        measured windows of each part (default 3)
  --seconds N       length of a window (default 20)
  --clients N       players of the first part; the second has half of them (default 2000)
  --transport NAME  tcp, ws or udp (default tcp; the goals are tcp's)
  --only N          only the part at N ticks per second, 10 or 20
  --profile DIR     write CPU profiles of the server and the generator there (slows both down)`;

/** Messages per second and client. */
const RATE = 10;
/** Part of the asked rate that has to be held. */
const SHARE = [0.95, 1.05] as const;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "20" },
    clients: { type: "string", default: "2000" },
    transport: { type: "string", default: "tcp" },
    only: { type: "string" },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

interface Part {
  readonly tickRate: 10 | 20;
  readonly clients: number;
  readonly maxP99Ms: number;
}

interface MeasuredPart extends Part {
  readonly rounds: readonly CrowdRound[];
}

async function measure(part: Part, transport: LoadTransport): Promise<MeasuredPart> {
  const { tickRate, clients } = part;
  const module = fileURLToPath(new URL(`./worlds/crowd-${tickRate}.js`, import.meta.url));
  const execArgv =
    flags.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${flags.profile}`];
  // All clients come from one address, which has a limit of its own.
  const limit = ["--proxy.limits.connectionsPerAddress", String(clients + 100)];
  const server = await ServerProcess.start({
    command: "monolith",
    flags: ["--world", `crowd=${module}`, "--gameserver.threads", "1", ...limit],
    execArgv,
  });
  const rounds: CrowdRound[] = [];
  try {
    for (let i = 0; i < Number(flags.rounds); i++) {
      const load = {
        world: "crowd",
        clients,
        rate: RATE,
        seconds: Number(flags.seconds),
        transport,
        seed: i + 1,
        execArgv,
      };
      const measured = await crowdRound(server, load);
      rounds.push(measured);
      line(part, measured);
    }
  } finally {
    await server.stop();
  }
  return { ...part, rounds };
}

function line({ clients, tickRate }: Part, { load, serverCores }: CrowdRound): void {
  const { messages, roundTripMs, joins, generator, sequenceErrors, errors } = load;
  console.log(
    `${clients} clients, ${tickRate} ticks/s: ${round((messages?.share ?? 0) * 100, 1)} % of ` +
      `${messages?.askedRate} messages/s · round trip p50 ${roundTripMs?.p50} p99 ${roundTripMs?.p99} ` +
      `max ${roundTripMs?.max} ms · ${joins.perSecond} joins/s · server ${round(serverCores)} cores, ` +
      `generator ${generator.cores} in ${generator.processes} processes, sent late p99 ` +
      `${generator.sendLateMs.p99} ms · ${sequenceErrors.total} sequence errors`,
  );
  for (const reason of generator.limited) console.log(`  generator-limited: ${reason}`);
  for (const [code, n] of Object.entries(errors)) console.log(`  ${n} × ${code}`);
  for (const example of load.examples.slice(0, 3)) console.log(`  ${example}`);
}

function goals({ clients, tickRate, maxP99Ms, rounds }: MeasuredPart): Goal[] {
  const name = (text: string) => `${clients} × ${RATE} at ${tickRate} ticks/s: ${text}`;
  const middle = (pick: (round: CrowdRound) => number) => round(median(rounds.map(pick)), 3);
  const share = middle(({ load }) => load.messages?.share ?? 0);
  const p99 = middle(({ load }) => load.roundTripMs?.p99 ?? Number.NaN);
  const wrong = rounds.reduce((sum, { load }) => sum + load.sequenceErrors.total, 0);
  return [
    between(name("messages acknowledged against asked for"), SHARE[0], SHARE[1], share),
    atMost(name("round trip p99"), maxP99Ms, "ms", p99),
    atMost(name("sequence errors"), 0, "", wrong),
  ];
}

function figures({ clients, rounds }: MeasuredPart) {
  const values = (pick: (round: CrowdRound) => number) => spread(rounds.map(pick));
  return {
    clients,
    joined: values(({ load }) => load.clients.joined),
    share: values(({ load }) => load.messages?.share ?? 0),
    roundTripP50Ms: values(({ load }) => load.roundTripMs?.p50 ?? Number.NaN),
    roundTripP99Ms: values(({ load }) => load.roundTripMs?.p99 ?? Number.NaN),
    roundTripMaxMs: values(({ load }) => load.roundTripMs?.max ?? Number.NaN),
    joinsPerSecond: values(({ load }) => load.joins.perSecond),
    joinP99Ms: values(({ load }) => load.joins.timeMs.p99),
    serverCores: values(({ serverCores }) => serverCores),
    generatorCores: values(({ load }) => load.generator.cores),
    generatorProcesses: rounds[0]?.load.generator.processes,
    sentLateP99Ms: values(({ load }) => load.generator.sendLateMs.p99),
    receivedBytesPerSecondAndClient: values(
      ({ load }) => load.traffic.received.bytesPerSecondAndClient,
    ),
    generatorLimited: rounds.filter(({ load }) => load.generator.limited.length > 0).length,
    missed: values(({ load }) => load.messages?.missed ?? 0),
    unacknowledged: values(({ load }) => load.messages?.unacknowledged ?? 0),
    errors: rounds.map(({ load }) => load.errors),
  };
}

async function run(): Promise<void> {
  const transport = LOAD_TRANSPORTS.find((name) => name === flags.transport);
  if (transport === undefined)
    throw new Error(
      `--transport: found ${flags.transport}, allowed: ${LOAD_TRANSPORTS.join(", ")}`,
    );
  const clients = Number(flags.clients);
  const parts: readonly Part[] = [
    { tickRate: 10, clients, maxP99Ms: 200 },
    { tickRate: 20, clients: Math.ceil(clients / 2), maxP99Ms: 100 },
  ];
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}; server and generator share them.`);
  console.log(
    `A world of ${EXTENT} × ${EXTENT}, cells of ${CELL}, view ${2 * VIEW + 1} × ${2 * VIEW + 1}; ` +
      `${RATE} reliable messages a second from every client over ${transport}.`,
  );
  const measured: MeasuredPart[] = [];
  for (const part of parts)
    if (flags.only === undefined || flags.only === String(part.tickRate))
      measured.push(await measure(part, transport));
  printReport({
    bench: "crowd",
    settings: {
      rounds: Number(flags.rounds),
      seconds: Number(flags.seconds),
      transport,
      rate: RATE,
      extent: EXTENT,
      cell: CELL,
      view: VIEW,
      threads: 1,
    },
    figures: Object.fromEntries(measured.map((part) => [`ticks${part.tickRate}`, figures(part)])),
    goals: measured.flatMap(goals),
  });
}

if (flags.help) console.log(HELP);
else await run();
