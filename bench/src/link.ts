import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createTestCa } from "@atlasnet/identity/testing";
import { Child } from "./lib/child.ts";
import { atMost, type Goal, machine, printReport } from "./lib/report.ts";
import { median, round } from "./lib/statistics.ts";
import type { LinkKind, SideQuestion, SideWindow } from "./link/side.ts";

/** What a link between two processes carries, over QUIC and over TLS 1.3 on TCP: same frames, same codec. */

const HELP = `npm run bench -- link [options]
  --rounds N     rounds of each part, QUIC and TLS in turns (default 5)
  --seconds N    length of a window (default 2)
  --profile DIR  write CPU profiles of both ends there (slows them down)`;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);

const MESSAGE_BYTES = 100;
const BATCH = 64;
const BULK_BYTES = 64 * 1024;
const PINGS_PER_SECOND = 100;
/** The default of links.bulkBytesPerSecond. */
const DEFAULT_BULK_RATE = 32 * 1024 * 1024;
const UNLIMITED = 1e12;
const WARM_UP_MS = 700;

const KINDS: readonly LinkKind[] = ["quic", "tls"];

/** What flows in a window, and how many messages of the table each link message stands for. */
interface Part {
  readonly name: string;
  readonly bulkBytesPerSecond: number;
  readonly flood?: { readonly bytes: number; readonly bulk: boolean; readonly each: number };
  readonly pings: boolean;
}

const PARTS = {
  single: {
    name: `${MESSAGE_BYTES} bytes, one by one`,
    bulkBytesPerSecond: UNLIMITED,
    flood: { bytes: MESSAGE_BYTES, bulk: false, each: 1 },
    pings: false,
  },
  batched: {
    name: `${MESSAGE_BYTES} bytes, ${BATCH} together`,
    bulkBytesPerSecond: UNLIMITED,
    flood: { bytes: MESSAGE_BYTES * BATCH, bulk: false, each: BATCH },
    pings: false,
  },
  bulk: {
    name: "bulk alone",
    bulkBytesPerSecond: UNLIMITED,
    flood: { bytes: BULK_BYTES, bulk: true, each: 1 },
    pings: false,
  },
  quiet: { name: "round trips", bulkBytesPerSecond: DEFAULT_BULK_RATE, pings: true },
  snapshot: {
    name: "round trips beside a snapshot",
    bulkBytesPerSecond: DEFAULT_BULK_RATE,
    flood: { bytes: BULK_BYTES, bulk: true, each: 1 },
    pings: true,
  },
} as const satisfies { readonly [name: string]: Part };
type PartName = keyof typeof PARTS;

interface Window {
  readonly perSecond: number;
  readonly megabytesPerSecond: number;
  readonly senderUs: number;
  readonly receiverUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

class LinkBench {
  private readonly near: Child;
  private readonly far: Child;
  private readonly papers: Awaited<ReturnType<typeof papers>>;

  constructor(made: Awaited<ReturnType<typeof papers>>) {
    const execArgv =
      flags.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${flags.profile}`];
    this.near = new Child("./link/side.js", import.meta.url, execArgv);
    this.far = new Child("./link/side.js", import.meta.url, execArgv);
    this.papers = made;
  }

  async window(kind: LinkKind, part: Part): Promise<Window> {
    const { near, far } = this;
    const ask = <A>(child: Child, question: SideQuestion) => child.ask<A>(question);
    const { bulkBytesPerSecond, flood } = part;
    const opening = { kind, bulkBytesPerSecond };
    const port = await ask<number>(far, { type: "listen", identity: this.papers.far, ...opening });
    await ask(near, { type: "connect", port, identity: this.papers.near, ...opening });
    if (flood !== undefined) await ask(near, { type: "flood", ...flood });
    if (part.pings) await ask(near, { type: "ping", perSecond: PINGS_PER_SECOND });
    await delay(WARM_UP_MS);
    await ask(near, { type: "begin" });
    await ask(far, { type: "begin" });
    await delay(seconds * 1000);
    const received = await ask<SideWindow>(far, { type: "end" });
    const sent = await ask<SideWindow>(near, { type: "end" });
    await ask(near, { type: "close" });
    await ask(far, { type: "close" });
    const messages = received.messages * (flood?.each ?? 0);
    const trips = sent.tripsUs.toSorted((a, b) => a - b);
    const at = (share: number) => trips[Math.floor((trips.length - 1) * share)] ?? 0;
    return {
      perSecond: messages / received.seconds,
      megabytesPerSecond: (received.messages * (flood?.bytes ?? 0)) / received.seconds / 1e6,
      senderUs: (sent.cpuSeconds * 1e6) / messages,
      receiverUs: (received.cpuSeconds * 1e6) / messages,
      p50Us: at(0.5),
      p99Us: at(0.99),
    };
  }

  async stop(): Promise<void> {
    await this.near.stop();
    await this.far.stop();
  }
}

async function papers() {
  const ca = await createTestCa();
  return {
    near: await ca.issue({ role: "proxy", node: "near" }),
    far: await ca.issue({ role: "gameserver", node: "far" }),
  };
}

type Figures = { readonly [K in keyof Window]: number };
type Results = { readonly [P in PartName]: { readonly [K in LinkKind]: Figures } };

function middle(windows: readonly Window[]): Figures {
  const of = (key: keyof Window, digits: number) =>
    round(median(windows.map((window) => window[key])), digits);
  return {
    perSecond: of("perSecond", 0),
    megabytesPerSecond: of("megabytesPerSecond", 1),
    senderUs: of("senderUs", 3),
    receiverUs: of("receiverUs", 3),
    p50Us: of("p50Us", 0),
    p99Us: of("p99Us", 0),
  };
}

async function measure(bench: LinkBench, part: Part): Promise<{ quic: Figures; tls: Figures }> {
  const windows: { [K in LinkKind]: Window[] } = { quic: [], tls: [] };
  for (let i = 0; i < rounds; i++)
    for (const kind of KINDS) windows[kind].push(await bench.window(kind, part));
  const result = { quic: middle(windows.quic), tls: middle(windows.tls) };
  for (const kind of KINDS) print(`${part.name}, ${kind}`, part, result[kind]);
  return result;
}

function print(what: string, part: Part, figures: Figures): void {
  const { perSecond, megabytesPerSecond, senderUs, receiverUs, p50Us, p99Us } = figures;
  const flow =
    part.flood === undefined
      ? ""
      : `${perSecond} messages/s, ${megabytesPerSecond} MB/s, CPU per message ${senderUs} µs sending, ${receiverUs} µs receiving `;
  const trips = part.pings ? `p50 ${p50Us} µs, p99 ${p99Us} µs` : "";
  console.log(`${what.padEnd(38)} ${flow}${trips}`);
}

function goalsOf({ batched, bulk, quiet, snapshot }: Results): Goal[] {
  const share = round(batched.tls.perSecond / batched.quic.perSecond);
  return [
    {
      name: "messages of 100 bytes per second, 64 together",
      goal: "≥ 1,000,000, or TLS at most 3 times as many",
      value: batched.quic.perSecond,
      met: batched.quic.perSecond >= 1_000_000 || share <= 3,
    },
    atMost("round trip p50 against TLS", 2.5, "", round(quiet.quic.p50Us / quiet.tls.p50Us)),
    {
      name: "bulk alone",
      goal: "≥ 100 MB/s",
      value: bulk.quic.megabytesPerSecond,
      met: bulk.quic.megabytesPerSecond >= 100,
    },
    atMost(
      "round trip p50 beside a snapshot, against without",
      2,
      "",
      round(snapshot.quic.p50Us / quiet.quic.p50Us),
    ),
    atMost("round trip p99 beside a snapshot", 10, "ms", round(snapshot.quic.p99Us / 1000)),
  ];
}

async function run(): Promise<void> {
  const bench = new LinkBench(await papers());
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  try {
    const results: Results = {
      single: await measure(bench, PARTS.single),
      batched: await measure(bench, PARTS.batched),
      bulk: await measure(bench, PARTS.bulk),
      quiet: await measure(bench, PARTS.quiet),
      snapshot: await measure(bench, PARTS.snapshot),
    };
    printReport({
      bench: "link",
      settings: { rounds, seconds, messageBytes: MESSAGE_BYTES, batch: BATCH },
      figures: results,
      goals: goalsOf(results),
    });
  } finally {
    await bench.stop();
  }
}

if (flags.help) console.log(HELP);
else await run();
