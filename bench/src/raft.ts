import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { atMost, type Goal, machine, printReport } from "./lib/report.ts";
import { median, round } from "./lib/statistics.ts";
import { startAtlas } from "./raft/atlas-group.ts";
import { findEtcd, startEtcd } from "./raft/etcd-group.ts";
import { type Contender, load, type Window } from "./raft/load.ts";

/** Durable puts of 200 bytes by one client and by many: three apiservers, and three nodes of etcd when there is one. */

const HELP = `npm run bench -- raft [options]
  --rounds N     rounds of each part, in turns (default 5)
  --seconds N    length of a window (default 3)
  --clients N    clients of the second part (default 64)
  --etcd PATH    the etcd program (default: etcd; it is left out when there is none)
  --dir DIR      where the logs are (default: the system's folder for temporary files)
  --profile DIR  write CPU profiles of the apiservers there (slows them down)`;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    clients: { type: "string", default: "64" },
    etcd: { type: "string", default: "etcd" },
    dir: { type: "string", default: tmpdir() },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
const many = Number(flags.clients);

const VALUE = new Uint8Array(200).fill(0x61);
const WARM_UP_SECONDS = 1;

interface Results {
  readonly one: Window;
  readonly many: Window;
}

function middle(windows: readonly Window[]): Window {
  const of = (key: keyof Window, digits: number) =>
    round(median(windows.map((window) => window[key])), digits);
  return { putsPerSecond: of("putsPerSecond", 0), p50Ms: of("p50Ms", 3), p99Ms: of("p99Ms", 3) };
}

async function measure(
  contenders: readonly Contender[],
  clients: number,
): Promise<Map<Contender, Window>> {
  const windows = new Map<Contender, Window[]>(contenders.map((contender) => [contender, []]));
  for (const contender of contenders)
    await load(contender, clients, { seconds: WARM_UP_SECONDS, value: VALUE });
  for (let i = 0; i < rounds; i++)
    for (const [contender, list] of windows) {
      await contender.figures?.();
      list.push(await load(contender, clients, { seconds, value: VALUE }));
      const figures = await contender.figures?.();
      if (figures && i === rounds - 1) console.log(`${contender.name}, last window:`, figures);
    }
  const results = new Map<Contender, Window>();
  for (const [contender, list] of windows) {
    const window = middle(list);
    results.set(contender, window);
    const { putsPerSecond, p50Ms, p99Ms } = window;
    console.log(
      `${contender.name.padEnd(10)} ${String(clients).padStart(3)} clients: ${putsPerSecond} puts/s, p50 ${p50Ms} ms, p99 ${p99Ms} ms`,
    );
  }
  return results;
}

function goalsOf(ours: Results, etcd: Results | undefined): Goal[] {
  if (etcd === undefined) return [];
  const times = round(ours.many.putsPerSecond / etcd.many.putsPerSecond);
  return [
    {
      name: `puts per second of ${many} clients, against etcd`,
      goal: "≥ 3 times",
      value: times,
      met: times >= 3,
    },
    atMost(`p99 of ${many} clients (that of etcd)`, etcd.many.p99Ms, "ms", ours.many.p99Ms),
    atMost("p50 of one client (that of etcd)", etcd.one.p50Ms, "ms", ours.one.p50Ms),
  ];
}

async function run(): Promise<void> {
  const dir = await mkdtemp(join(flags.dir, "atlasnet-bench-raft-"));
  const contenders: Contender[] = [];
  try {
    const { profile } = flags;
    const execArgv = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
    const ours = await startAtlas(dir, execArgv);
    contenders.push(ours);
    const path = findEtcd(flags.etcd);
    if (path === undefined)
      console.log("There is no etcd to compare with; Debian has it as etcd-server.");
    const etcd = path === undefined ? undefined : await startEtcd(path, dir);
    if (etcd) contenders.push(etcd);
    const { cpu, cores, node } = machine();
    console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
    const one = await measure(contenders, 1);
    const all = await measure(contenders, many);
    const of = (contender: Contender): Results | undefined => {
      const [first, second] = [one.get(contender), all.get(contender)];
      return first && second && { one: first, many: second };
    };
    const results = of(ours);
    if (results === undefined) throw new Error("nothing was measured");
    const peer = etcd && of(etcd);
    printReport({
      bench: "raft",
      settings: { rounds, seconds, clients: many, valueBytes: VALUE.length },
      figures: { atlasnet: results, etcd: peer ?? "not installed" },
      goals: goalsOf(results, peer),
    });
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
    await rm(dir, { recursive: true, force: true });
  }
}

if (flags.help) console.log(HELP);
else await run();
