import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { describeError, OperatingError } from "@atlasnet/core";
import { loadOrCreateKeyFile } from "@atlasnet/core/node";
import type { HistoryVerdict } from "@atlasnet/history";
import type { LoadOptions, LoadResult, LoadTransport } from "@atlasnet/loadgen";
import { type Command, Option } from "commander";
import type { CliIo } from "../cli-io.ts";
import { assertUnbroken } from "../history-verdict.ts";
import { UsageError } from "../usage-error.ts";

interface Options {
  world: string;
  url?: string;
  clients: string;
  rate: string;
  seconds: string;
  transport: LoadTransport;
  message?: string;
  input?: string;
  inputRate?: string;
  ramp?: string;
  warmUp?: string;
  grace?: string;
  processes?: string;
  seed?: string;
  tickets?: string;
  keyFile?: string;
  serverKey?: string;
  json?: string;
  check?: boolean;
  history?: string;
  remote?: boolean;
}

/** Options of the library that have another name here. */
const FLAGS = new Map([
  ["inputRate", "input-rate"],
  ["rampSeconds", "ramp"],
  ["warmUpSeconds", "warm-up"],
  ["graceSeconds", "grace"],
  ["serverKey", "server-key"],
]);
/** Time between lines of progress when nobody watches a terminal, in seconds. */
const PLAIN_LINE_SECONDS = 5;
/** Tickets made here are good for the whole load and then some. */
const TICKET_SPARE_SECONDS = 3_600;

const NOTES = `
Round trips are measured from when a message was due, not from when it was sent: what waits behind a
slow server, or a slow generator, counts. Exit code 1 when nobody could join, a sequence number was wrong,
or a process of the generator was lost. Clients come from one address: raise the server's proxy.limits.connectionsPerAddress (1000) for
more. Ctrl+C ends the load and prints what there is.

With --check the world has to be that of the history checker, which any server can host:
  atlasnet monolith --world "checker=$(atlasnet history world)"
  atlasnet loadgen --world checker --check`;

/** `atlasnet loadgen`: real clients, many of them, on a world. */
export function addLoadgenCommand(program: Command, io: CliIo): void {
  program
    .command("loadgen")
    .description("put load on a world with real clients, and measure what it does")
    .requiredOption("--world <name>", "the world to join")
    .option("--url <host:port>", "where the server is (127.0.0.1:2555)")
    .option("--clients <n>", "clients, at most 20000", "100")
    .option("--rate <n>", "messages per second and client, at most 1000", "10")
    .option("--seconds <n>", "length of the measurement", "60")
    .addOption(
      new Option("--transport <name>", "what carries the messages")
        .choices(["tcp", "ws", "udp"])
        .default("tcp"),
    )
    .option("--message <name>", "client message to send (the first of the definition)")
    .option("--input <name>", "input to send, too; alone when the world has no messages")
    .option("--input-rate <n>", "inputs per second and client (as --rate)")
    .option("--ramp <seconds>", "spread the joins over this time (500 joins a second)")
    .option("--warm-up <seconds>", "load before the measurement (2)")
    .option("--grace <seconds>", "wait for answers after the measurement (5)")
    .option("--processes <n>", "processes to play the clients (one for 500)")
    .option("--seed <n>", "the same seed sends the same values at the same times (1)")
    .option("--tickets <file>", "one ticket in a line, for each client one; else they are guests")
    .option("--key-file <file>", "make the tickets with the server's tickets.keyFile")
    .option("--server-key <key>", "the server's public key for UDP")
    .option("--json <file>", "write the result as JSON there; - for standard output")
    .option("--check", "prove that every message came once and in order; exit code 1 if not")
    .option("--history <file>", "record what clients did there, for atlasnet history check")
    .option("--remote", "the server is not on this machine, and it is yours to load")
    .addHelpText("after", NOTES)
    .action((options: Options) => run(options, io));
}

async function run(options: Options, io: CliIo): Promise<void> {
  const load = await loadOptions(options, io);
  // Loaded when it is needed: most commands do without it.
  const { LoadError, progressLine, resultTable, runLoad } = await import("@atlasnet/loadgen");
  const progress = new ProgressLines(io);
  let result: LoadResult;
  try {
    result = await runLoad(load, {
      signal: io.stop,
      onProgress: (now) => progress.show(progressLine(now)),
    });
  } catch (error) {
    if (error instanceof LoadError && error.option !== undefined)
      throw new UsageError(
        `--${FLAGS.get(error.option) ?? error.option}: ${error.problem}`,
        error.hint,
      );
    throw error;
  } finally {
    progress.end();
  }
  const table = `${resultTable(result)}\n`;
  const json = `${JSON.stringify(result, undefined, 2)}\n`;
  if (options.json === "-") {
    io.talk(table);
    io.out(json);
  } else {
    io.out(table);
    if (options.json !== undefined) await writeJson(resolve(io.workingDir, options.json), json);
  }
  const { clients, sequenceErrors, settings, generator } = result;
  if (sequenceErrors.total > 0)
    throw new OperatingError("sequence-errors", `${sequenceErrors.total} sequence errors`, {
      hint: "Messages were lost, repeated or acknowledged out of order: that is a bug. Please report it.",
    });
  const lost = settings.processes - generator.processes;
  if (lost > 0)
    throw new OperatingError(
      "process-lost",
      `${lost} of ${settings.processes} processes were lost`,
      {
        hint: "Their clients count as if they had not joined. The errors above say what the processes said last.",
      },
    );
  if (clients.joined === 0) throw new OperatingError("nobody-joined", "no client could join");
  if (result.history !== null) assertProved(result.history, options.check === true);
}

/** @throws OperatingError when a rule was broken, or, of a check, when something is left unproved. */
function assertProved(verdict: HistoryVerdict, check: boolean): void {
  assertUnbroken(verdict);
  if (check && !verdict.complete)
    throw new OperatingError(
      "not-proved",
      "the history breaks no rule, but not all of it is proved",
      {
        hint: "Messages were not answered when the grace was over, or records are missing: see the rows above. A longer --grace helps a slow server.",
      },
    );
}

async function loadOptions(options: Options, io: CliIo): Promise<LoadOptions> {
  const clients = numberOf("--clients", options.clients);
  const seconds = numberOf("--seconds", options.seconds);
  return {
    world: options.world,
    url: options.url,
    transport: options.transport,
    clients,
    seconds,
    rate: numberOf("--rate", options.rate),
    message: options.message,
    input: options.input,
    inputRate: optional("--input-rate", options.inputRate),
    rampSeconds: optional("--ramp", options.ramp),
    warmUpSeconds: optional("--warm-up", options.warmUp),
    graceSeconds: optional("--grace", options.grace),
    processes: optional("--processes", options.processes),
    seed: optional("--seed", options.seed),
    tickets: await tickets(options, clients, seconds, io),
    serverKey: options.serverKey,
    check: options.check,
    history: options.history === undefined ? undefined : resolve(io.workingDir, options.history),
    remote: options.remote,
  };
}

function numberOf(flag: string, text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new UsageError(`${flag}: found "${text}", allowed: a number`);
}

function optional(flag: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : numberOf(flag, text);
}

async function tickets(
  { tickets: file, keyFile, world }: Options,
  clients: number,
  seconds: number,
  io: CliIo,
): Promise<readonly string[] | undefined> {
  if (file !== undefined && keyFile !== undefined)
    throw new UsageError("--tickets and --key-file: found both, allowed: one of them");
  if (file !== undefined) return readTickets(resolve(io.workingDir, file));
  if (keyFile === undefined) return undefined;
  const { keys, created } = await loadOrCreateKeyFile(resolve(io.workingDir, keyFile));
  if (created) io.talk(`Made a new key in ${keyFile}; the server must use the same file.\n`);
  const expiresAt = Math.floor(Date.now() / 1000) + Math.ceil(seconds) + TICKET_SPARE_SECONDS;
  return Promise.all(
    Array.from({ length: clients }, (_, i) =>
      keys.issue({ account: `load-${i}`, world, name: `load ${i}`, data: null, expiresAt }),
    ),
  );
}

async function readTickets(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new UsageError(`--tickets: ${file} cannot be read: ${describeError(error)}`);
  }
  return text.split(/\r?\n/).filter((line) => line !== "");
}

async function writeJson(file: string, json: string): Promise<void> {
  try {
    await writeFile(file, json);
  } catch (cause) {
    throw new OperatingError("cannot-write", `--json: ${file} cannot be written`, { cause });
  }
}

/** On a terminal one line that changes; elsewhere a line now and then, which a log keeps. */
class ProgressLines {
  private readonly io: CliIo;
  private shown = false;
  private lastAt = Number.NEGATIVE_INFINITY;

  constructor(io: CliIo) {
    this.io = io;
  }

  show(line: string): void {
    const { io } = this;
    if (io.live === true) {
      // Back to the line's beginning, and away with what is left of a longer one.
      io.talk(`\r${line.slice(0, io.width - 1)}\u001b[K`);
      this.shown = true;
      return;
    }
    const now = performance.now() / 1000;
    if (now - this.lastAt < PLAIN_LINE_SECONDS - 0.5) return;
    this.lastAt = now;
    io.talk(`${line}\n`);
  }

  end(): void {
    if (this.shown) this.io.talk("\n");
  }
}
