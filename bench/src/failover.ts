import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ApiserverCluster, until } from "atlasnet/testing";
import { Writers } from "./failover/writers.ts";
import { atMost, machine, printReport } from "./lib/report.ts";
import { median, round } from "./lib/statistics.ts";

/** The leader of three apiservers is killed again and again, while clients write over the HTTP API. */

const HELP = `npm run bench -- failover [options]
  --kills N     times that the leader is killed (default 20)
  --clients N   clients that write all the time (default 4)`;

const { values: flags } = parseArgs({
  options: {
    kills: { type: "string", default: "20" },
    clients: { type: "string", default: "4" },
    help: { type: "boolean", default: false },
  },
});
const kills = Number(flags.kills);
const clients = Number(flags.clients);

/** Of undisturbed writing before each kill. */
const QUIET_MS = 500;

interface Kill {
  /** From the signal to the first acknowledgement of a write that was begun after it. */
  readonly outageMs: number;
  /** The longest of the requests that were under way when the leader died. */
  readonly inFlightMs: number;
}

async function killLeader(cluster: ApiserverCluster, writers: Writers): Promise<Kill> {
  await delay(QUIET_MS);
  const leader = await cluster.leader();
  writers.writes = [];
  const underWay = new Set(writers.inFlight());
  const exited = leader.kill();
  const killed = performance.now();
  await until("every request of the time of the kill is answered", async () =>
    writers.inFlight().every((began) => !underWay.has(began)),
  );
  await until("a write is acknowledged again", async () =>
    writers.writes.some(({ began }) => began > killed),
  );
  const after = writers.writes.filter(({ began }) => began > killed);
  const before = writers.writes.filter(({ began }) => underWay.has(began));
  await exited;
  leader.start();
  await leader.ready();
  return {
    outageMs: Math.min(...after.map(({ ended }) => ended)) - killed,
    inFlightMs: Math.max(0, ...before.map(({ began, ended }) => ended - began)),
  };
}

async function run(): Promise<void> {
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  const cluster = await ApiserverCluster.start();
  try {
    const [first] = cluster.nodes;
    if (first === undefined) throw new Error("there are no apiservers");
    const addresses = cluster.nodes.map(({ api }) => api);
    const writers = new Writers(addresses, await first.token(), clients);
    const results: Kill[] = [];
    writers.start();
    try {
      for (let count = 0; count < kills; count++) {
        const result = await killLeader(cluster, writers);
        results.push(result);
        const { outageMs, inFlightMs } = result;
        console.log(
          `kill ${count + 1}: a write again after ${round(outageMs, 0)} ms, the longest in flight ${round(inFlightMs, 0)} ms`,
        );
      }
    } finally {
      await writers.stop();
    }
    const lost = await writers.lost();
    writers.close();
    for (const line of [...lost, ...writers.failures]) console.log(line);
    const outages = results.map(({ outageMs }) => outageMs);
    const figures = {
      outageMedianMs: round(median(outages), 0),
      outageLongestMs: round(Math.max(...outages), 0),
      inFlightLongestMs: round(Math.max(...results.map(({ inFlightMs }) => inFlightMs)), 0),
      lost: lost.length,
      failed: writers.failures.length,
    };
    printReport({
      bench: "failover",
      settings: { kills, clients },
      figures,
      goals: [
        atMost("median time to the next acknowledged write", 400, "ms", figures.outageMedianMs),
        atMost("acknowledged writes that are lost", 0, "", figures.lost),
        atMost("longest request in flight", 2000, "ms", figures.inFlightLongestMs),
      ],
    });
  } finally {
    await cluster.stop();
  }
}

if (flags.help) console.log(HELP);
else await run();
