import { type LoadResult, type LoadTransport, progressLine, runLoad } from "@atlasnet/loadgen";
import type { ServerProcess } from "../lib/server-process.ts";

/** What one measured window showed. */
export interface CrowdRound {
  readonly load: LoadResult;
  /** Cores that the server used, all its threads. */
  readonly serverCores: number;
}

export interface CrowdLoad {
  readonly world: string;
  readonly clients: number;
  readonly rate: number;
  readonly seconds: number;
  readonly transport: LoadTransport;
  readonly seed: number;
  readonly execArgv: readonly string[];
}

/** Both sides have compiled their hot paths by then. */
const WARM_UP_SECONDS = 8;

/** What a crowd plays on, and the process whose CPU is counted. */
export type CrowdServer = Pick<ServerProcess, "port" | "cpuSeconds">;

/** Lets the crowd in, makes one window of load, and lets it out again. */
export async function crowdRound(server: CrowdServer, load: CrowdLoad): Promise<CrowdRound> {
  const cpu: { before?: Promise<Reading>; after?: Promise<Reading> } = {};
  const result = await runLoad(
    { ...load, url: `127.0.0.1:${server.port}`, warmUpSeconds: WARM_UP_SECONDS },
    {
      onPhase: (phase) => {
        if (phase === "measuring") cpu.before = read(server);
        if (phase === "finishing") cpu.after = read(server);
      },
      onProgress: (progress) => {
        if (process.stderr.isTTY) process.stderr.write(`\r${progressLine(progress)}\u001b[K`);
      },
    },
  );
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  const [before, after] = [await cpu.before, await cpu.after];
  const serverCores =
    before === undefined || after === undefined
      ? Number.NaN
      : (after.cpuSeconds - before.cpuSeconds) / (after.atSeconds - before.atSeconds);
  return { load: result, serverCores };
}

interface Reading {
  readonly cpuSeconds: number;
  readonly atSeconds: number;
}

async function read(server: CrowdServer): Promise<Reading> {
  const cpuSeconds = await server.cpuSeconds();
  return { cpuSeconds, atSeconds: performance.now() / 1000 };
}
