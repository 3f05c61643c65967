import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Reading } from "./density/probe.ts";
import type { Question } from "./hibernate/gameserver.ts";
import { atMost, machine, printReport } from "./lib/report.ts";
import { median, quantile, round } from "./lib/statistics.ts";

/** What a world costs that sleeps, and how long somebody waits who wakes it. */

const HELP = `npm run bench -- hibernate [options]
  --worlds N      worlds that sleep (default 9800; a gameserver has at most 10000)
  --wakes N       times that one of another hundred is woken (default 500)
  --kilobytes N   of state of a world that is woken (default 100)`;

/** Of the worlds whose memory is measured: what sleeps has none of its state in memory. */
const SMALL_KILOBYTES = 1;
/** Sleep before the first reading, so that what is made once is there. */
const WARM_WORLDS = 100;
const WOKEN_WORLDS = 100;
const MAX_BYTES = 4_096;
const MAX_WAKE_MS = 50;

const { values: flags } = parseArgs({
  options: {
    worlds: { type: "string", default: "9800" },
    wakes: { type: "string", default: "500" },
    kilobytes: { type: "string", default: "100" },
    help: { type: "boolean", default: false },
  },
});

/** Reads memory in every thread of the child, after a collection. */
async function read(child: ChildProcess): Promise<Reading> {
  return (await told(child, "read")) as Reading;
}

function told(child: ChildProcess, question: Question | "read"): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error("the gameserver ended early"));
    child.once("exit", ended);
    child.once("message", (said) => {
      child.off("exit", ended);
      resolve(said);
    });
    child.send(question);
  });
}

async function ask(child: ChildProcess, question: Question): Promise<unknown> {
  const { ok, value, error } = Object(await told(child, question));
  if (ok !== true) throw new Error(String(error));
  return value;
}

async function run(): Promise<void> {
  const worlds = Number(flags.worlds);
  const wakes = Number(flags.wakes);
  const kilobytes = Number(flags.kilobytes);
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-hibernate-"));
  const probe = new URL("./density/probe.js", import.meta.url).href;
  const child = fork(fileURLToPath(new URL("./hibernate/gameserver.js", import.meta.url)), [], {
    execArgv: ["--expose-gc", "--import", probe],
  });
  try {
    await once(child, "message");
    await ask(child, { type: "start", dir });
    await ask(child, { type: "worlds", from: 0, to: WARM_WORLDS, kilobytes });
    const before = await read(child);
    const to = WARM_WORLDS + worlds;
    const startedAt = performance.now();
    await ask(child, { type: "worlds", from: WARM_WORLDS, to, kilobytes: SMALL_KILOBYTES });
    const seconds = round((performance.now() - startedAt) / 1000, 0);
    const after = await read(child);
    const each = (pick: (reading: Reading) => number) =>
      round((pick(after) - pick(before)) / worlds, 0);
    const heapBytes = each((reading) => reading.heapBytes);
    const rssBytes = each((reading) => reading.rssBytes);
    console.log(`${worlds} worlds opened and asleep in ${seconds} s.`);
    console.log(`${heapBytes} bytes of heap for each; resident memory grew by ${rssBytes}.`);
    const tookMs: number[] = [];
    // Each sleeps again before its next turn: they take turns, and nothing else is open.
    for (let n = 0; n < wakes; n++) {
      if (n % WOKEN_WORLDS === 0 && n > 0)
        await ask(child, { type: "worlds", from: to, to, kilobytes });
      tookMs.push(Number(await ask(child, { type: "wake", world: n % WOKEN_WORLDS })));
    }
    const wakeMs = {
      median: round(median(tookMs), 1),
      p99: round(quantile(tookMs, 0.99), 1),
      longest: round(Math.max(...tookMs), 1),
    };
    console.log(`Awake after ${wakeMs.median} ms, p99 ${wakeMs.p99}, longest ${wakeMs.longest}.`);
    printReport({
      bench: "hibernate",
      settings: { worlds, wakes, kilobytes },
      figures: {
        method:
          "one process with a gameserver and one proxy's link, its control plane in a thread that is not counted; heap of all other threads with what they hold outside, after gc(); difference / N. Resident memory is what the process kept of what opening took, of the control plane's thread as well: it says little of what sleeps",
        heapBytesPerWorld: heapBytes,
        rssBytesPerWorld: rssBytes,
        wakeMs,
        secondsUntilAsleep: seconds,
      },
      goals: [
        atMost("heap per sleeping world", MAX_BYTES, "bytes", heapBytes),
        atMost(`p99 of waking ${kilobytes} KB, attach to attached`, MAX_WAKE_MS, "ms", wakeMs.p99),
      ],
    });
  } finally {
    if (child.exitCode === null && child.kill()) await once(child, "exit");
    await rm(dir, { recursive: true, force: true });
  }
}

if (flags.help) console.log(HELP);
else await run();
