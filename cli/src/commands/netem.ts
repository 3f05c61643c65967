import {
  type Conditions,
  ConditionsError,
  formatAddress,
  isLoopback,
  type Relay,
  startRelay,
} from "@atlasnet/netem";
import { type Command, Option } from "commander";
import type { CliIo } from "../cli-io.ts";
import {
  parseAddress,
  parseBurst,
  parseCount,
  parseIntervalMs,
  parsePercent,
  parseRate,
  parseSeed,
  parseSize,
  parseTimeMs,
  refused,
} from "../netem/quantities.ts";
import { describeConditions, statusLine, totalsTable } from "../netem/report.ts";
import { aborted } from "../stop-signal.ts";
import { UsageError } from "../usage-error.ts";

/** Time between two status lines, in seconds: of a terminal, where one line is written over, and else. */
const LIVE_SECONDS = 1;
const PLAIN_SECONDS = 5;

/** A field of the conditions, the flag it has, and how the flag is read. */
const CONDITION_FLAGS: readonly {
  field: keyof Conditions;
  name: string;
  value: string;
  help: string;
  parse(flag: string, text: string): number;
}[] = [
  {
    field: "loss",
    name: "loss",
    value: "share",
    help: "packets lost, as in 5%; 100% is a cut",
    parse: parsePercent,
  },
  {
    field: "burst",
    name: "burst",
    value: "packets",
    help: "mean length of a run of lost packets",
    parse: parseBurst,
  },
  {
    field: "delayMs",
    name: "delay",
    value: "time",
    help: "time on the way, one way, as in 50ms",
    parse: parseTimeMs,
  },
  {
    field: "jitterMs",
    name: "jitter",
    value: "time",
    help: "the delay varies by so much, up and down",
    parse: parseTimeMs,
  },
  {
    field: "reorder",
    name: "reorder",
    value: "share",
    help: "packets that skip the delay (UDP)",
    parse: parsePercent,
  },
  {
    field: "duplicate",
    name: "duplicate",
    value: "share",
    help: "packets that arrive twice (UDP)",
    parse: parsePercent,
  },
  {
    field: "rateBytesPerSecond",
    name: "rate",
    value: "rate",
    help: "what fits through, per flow and direction, as in 1mbit",
    parse: parseRate,
  },
  {
    field: "queueBytes",
    name: "queue",
    value: "size",
    help: "what may wait for the rate, as in 64kib (the default)",
    parse: parseSize,
  },
  {
    field: "seed",
    name: "seed",
    value: "number",
    help: "the same seed is the same network (default 1)",
    parse: parseSeed,
  },
];

const NOTES = `
Clients connect to --listen instead of the server. The same line stands for UDP and TCP; TCP (and
WebSocket in it) sees loss as stalls, and no reordering or duplicates. A client that joined over TCP or
WebSocket and goes on to UDP asks the server for its port, and goes around the relay: to test UDP,
give the client udp://127.0.0.1:PORT of the relay.`;

type Options = { readonly [name: string]: string | undefined };

/** `atlasnet dev netem`: a bad network between players and a server. */
export function addNetemCommand(dev: Command, io: CliIo): void {
  const command = dev
    .command("netem")
    .description("put a bad network between clients and a server, the same one for the same seed")
    .requiredOption("--listen <port>", "where clients connect; 0 is any free port")
    .requiredOption("--to <host:port>", "where the server is")
    .option("--host <address>", "listen there and not only on this machine (127.0.0.1)")
    .addOption(new Option("--only <transport>", "relay one of them").choices(["tcp", "udp"]));
  for (const { name, value, help } of CONDITION_FLAGS) command.option(`--${name} <${value}>`, help);
  command
    .option("--rebind <time>", "UDP clients change their address so often, as in 10s")
    .option("--flows <number>", "clients at a time, of TCP and of UDP each (1024)")
    .addHelpText("after", NOTES)
    .action((options: Options) => {
      refuseSettings(dev);
      return run(options, io);
    });
}

/** Commander takes flags of `dev` also behind `netem`, where they would mean nothing. */
function refuseSettings(dev: Command): void {
  const given = dev.options.find(
    (option) => dev.getOptionValueSource(option.attributeName()) !== undefined,
  );
  if (given !== undefined)
    throw new UsageError(`unknown option '${given.long ?? given.flags}' of netem`);
}

async function run(options: Options, io: CliIo): Promise<void> {
  const { only, rebind, flows } = options;
  const target = parseAddress("--to", options["to"] ?? "", {
    defaultHost: "127.0.0.1",
    minPort: 1,
  });
  const relay = await start(options, {
    listen: listenAddress(options),
    target,
    tcp: only !== "udp",
    udp: only !== "tcp",
    ...(rebind !== undefined && { rebindEveryMs: parseIntervalMs("--rebind", rebind) }),
    ...(flows !== undefined && { limits: { maxFlows: parseCount("--flows", flows) } }),
  });
  const transports = only === undefined ? "tcp and udp" : only;
  io.talk(
    `Relaying ${transports} from ${formatAddress(relay.address)} to ${formatAddress(target)}: ` +
      `${describeConditions(relay.conditions.up)}${rebind === undefined ? "" : `; a new address every ${rebind}`}\n` +
      "Ctrl+C ends it and shows the totals.\n",
  );
  const stopStatus = showStatus(relay, io);
  try {
    await aborted(io.stop);
  } finally {
    stopStatus();
    await relay.stop();
  }
  io.out(totalsTable(relay.stats));
}

/** Says where things stand whenever they moved: an idle relay is quiet. Returns what ends it. */
function showStatus(relay: Relay, io: CliIo): () => void {
  const began = performance.now();
  let last = JSON.stringify(relay.stats);
  let open = false;
  const show = () => {
    const figures = JSON.stringify(relay.stats);
    if (figures === last) return;
    last = figures;
    const line = statusLine(Math.round((performance.now() - began) / 1_000), relay.stats);
    open = io.live === true;
    io.talk(open ? `\r${line.slice(0, io.width - 1)}\u001b[K` : `${line}\n`);
  };
  const timer = setInterval(show, (io.live === true ? LIVE_SECONDS : PLAIN_SECONDS) * 1_000);
  return () => {
    clearInterval(timer);
    if (open) io.talk("\n");
  };
}

/** @throws UsageError when it would listen to other machines without having been told to. */
function listenAddress({ listen = "", host }: Options) {
  const address = parseAddress("--listen", listen, {
    defaultHost: host ?? "127.0.0.1",
    minPort: 0,
  });
  if (host === undefined && !isLoopback(address.host))
    throw refused(
      "--listen",
      listen,
      `a port of this machine; --host ${address.host} opens it to others`,
    );
  if (host !== undefined && address.host !== host)
    throw refused("--listen", listen, `a port alone, as --host is ${host}`);
  return address;
}

type StartOptions = Omit<Parameters<typeof startRelay>[0], "conditions">;

/** What the model refuses is told in the words of the flags. */
async function start(options: Options, rest: StartOptions): Promise<Relay> {
  const conditions: Partial<Record<keyof Conditions, number>> = {};
  for (const { field, name, parse } of CONDITION_FLAGS) {
    const text = options[name];
    if (text !== undefined) conditions[field] = parse(`--${name}`, text);
  }
  try {
    return await startRelay({ ...rest, conditions });
  } catch (error) {
    if (!(error instanceof ConditionsError)) throw error;
    const flag = CONDITION_FLAGS.find(({ field }) => field === error.field)?.name ?? error.field;
    throw refused(`--${flag}`, options[flag] ?? "", error.allowed);
  }
}
