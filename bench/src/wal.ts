import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openNodeLog } from "@atlasnet/apiserver";
import { noopLogger } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { atMost, printReport } from "./lib/report.ts";
import { round } from "./lib/statistics.ts";

/** Durable appends to the Raft log on this machine's disk, beside a plain file with fdatasync. */

const HELP = `npm run bench -- wal [options]
  --entries N    entries of each part (default 4000 one by one, 16 times as many at 64)
  --dir DIR      where to write (default: the system's folder for temporary files)`;

const { values: flags } = parseArgs({
  options: {
    entries: { type: "string", default: "4000" },
    dir: { type: "string", default: tmpdir() },
    help: { type: "boolean", default: false },
  },
});

const ENTRY_BYTES = 200;
const IN_FLIGHT = 64;

interface Figures {
  p50Ms: number;
  p99Ms: number;
  perSecond: number;
  syncs: number;
}

/** Runs `append` so that `inFlight` of them wait at any time. */
async function measure(
  entries: number,
  inFlight: number,
  append: (index: number) => Promise<unknown>,
  syncs: () => number,
): Promise<Figures> {
  const times: number[] = [];
  const syncsBefore = syncs();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < entries) {
      const index = next++;
      const started = performance.now();
      await append(index);
      times.push(performance.now() - started);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  const seconds = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number): number => round(times[Math.floor(times.length * share)] ?? 0, 3);
  return {
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    perSecond: Math.round(entries / seconds),
    syncs: syncs() - syncsBefore,
  };
}

async function plainFile(dir: string, entries: number): Promise<Figures> {
  const file = await open(join(dir, "plain"), "a");
  const data = Buffer.alloc(ENTRY_BYTES, 1);
  let syncs = 0;
  const append = async (): Promise<void> => {
    await file.write(data);
    await file.datasync();
    syncs++;
  };
  const figures = await measure(entries, 1, append, () => syncs);
  await file.close();
  return figures;
}

if (flags.help) console.log(HELP);
else {
  const entries = Number(flags.entries);
  if (!Number.isSafeInteger(entries) || entries < 1) throw new Error(HELP);
  const dir = await mkdtemp(join(flags.dir, "atlasnet-bench-wal-"));
  try {
    const { log, close } = await openNodeLog(
      { dir: join(dir, "log"), identity: { cluster: "bench", node: "a" } },
      { clock: systemClock, logger: noopLogger, random: systemRandom },
    );
    const data = new Uint8Array(ENTRY_BYTES).fill(1);
    let index = 0;
    const append = () =>
      log.save({ entries: [{ term: 1, index: ++index, type: "command", data }] });
    const syncs = () => log.figures.groups;
    await measure(Math.min(entries, 200), 1, append, syncs);
    const plain = await plainFile(dir, entries);
    const one = await measure(entries, 1, append, syncs);
    const many = await measure(entries * 16, IN_FLIGHT, append, syncs);
    await close();
    console.table({ "plain file, 1": plain, "log, 1": one, [`log, ${IN_FLIGHT}`]: many });
    printReport({
      bench: "wal",
      settings: { entries, entryBytes: ENTRY_BYTES },
      figures: { plain, one, many },
      goals: [
        atMost(
          "one at a time, p50 beside a plain file",
          1.5,
          "times",
          round(one.p50Ms / plain.p50Ms),
        ),
      ],
    });
  } finally {
    await rm(dir, { recursive: true });
  }
}
