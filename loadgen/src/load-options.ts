import { LoadError } from "./load-error.ts";
import { isLoopback } from "./this-machine.ts";

export const LOAD_TRANSPORTS = ["tcp", "ws", "udp"] as const;
export type LoadTransport = (typeof LOAD_TRANSPORTS)[number];

export const MAX_CLIENTS = 20_000;
export const MAX_RATE = 1_000;
export const MAX_SECONDS = 86_400;
/** Ramp, warm-up and grace: what comes before and after the measured window. */
export const MAX_SIDE_SECONDS = 3_600;
export const MAX_PROCESSES = 64;
/** More clients in one process, and its event loop becomes what is measured. */
export const CLIENTS_PER_PROCESS = 1000;
/** Joins per second of the default ramp. */
const RAMP_PER_SECOND = 500;

/** Of the history checker's world. */
const CHECKED_MESSAGE = "say";

export interface LoadOptions {
  /** `host:port` of the server. Default `127.0.0.1:2555`. */
  url?: string | undefined;
  /** The world's name on the server. */
  world: string;
  /** Default `tcp`. */
  transport?: LoadTransport | undefined;
  /** 1 to 20,000. */
  clients: number;
  /** Reliable messages per second and client, above 0 and at most 1,000. */
  rate: number;
  /** Length of the measured window, 0.1 to 86,400. */
  seconds: number;
  /** Which client message is sent. Default: the first of the definition. */
  message?: string | undefined;
  /** Which input is sent. Default: none; the first, when the world has no client messages. */
  input?: string | undefined;
  /** Inputs per second and client. Default: `rate`. */
  inputRate?: number | undefined;
  /** Joins are spread over so many seconds. Default: clients / 500. */
  rampSeconds?: number | undefined;
  /** Load before the measured window. Default 2. */
  warmUpSeconds?: number | undefined;
  /** How long acknowledgements are waited for after the window. Default 5. */
  graceSeconds?: number | undefined;
  /** Default: one per 1,000 clients, at most twice the number of cores. */
  processes?: number | undefined;
  /** The same seed sends the same values at the same times. Default 1. */
  seed?: number | undefined;
  /** One per client, in that order. Default: guests. */
  tickets?: readonly string[] | undefined;
  /** The server's public key for UDP, base64url. Default: as its welcome or ticket says. */
  serverKey?: string | undefined;
  /** Proves that all messages came once and in order; the world has to be that of the history checker. */
  check?: boolean | undefined;
  /** Records what clients did into this file; with several processes into `FILE.1`, `FILE.2` and so on. */
  history?: string | undefined;
  /** Allows a server that is not on this machine. Only for servers that are yours. */
  remote?: boolean | undefined;
  /** Flags of Node for the processes, as `--cpu-prof`. */
  execArgv?: readonly string[] | undefined;
}

/** Options with nothing left open. */
export interface LoadPlan {
  readonly address: string;
  readonly world: string;
  readonly transport: LoadTransport;
  readonly clients: number;
  readonly rate: number;
  readonly seconds: number;
  readonly message: string | undefined;
  readonly input: string | undefined;
  readonly inputRate: number;
  readonly rampSeconds: number;
  readonly warmUpSeconds: number;
  readonly graceSeconds: number;
  readonly processes: number;
  readonly seed: number;
  readonly tickets: readonly string[] | undefined;
  readonly serverKey: string | undefined;
  readonly check: boolean;
  readonly history: string | undefined;
  readonly remote: boolean;
  readonly execArgv: readonly string[];
}

/** Fills in the defaults. @throws LoadError that names the option, what was found and what is allowed. */
export function planLoad(options: LoadOptions, cores: number): LoadPlan {
  const { rate, world, tickets, remote = false } = options;
  const clients = whole("clients", options.clients, 1, MAX_CLIENTS);
  const defaultProcesses = Math.min(Math.ceil(clients / CLIENTS_PER_PROCESS), cores * 2);
  const { transport = "tcp" } = options;
  if (!LOAD_TRANSPORTS.includes(transport))
    throw bad("transport", transport, LOAD_TRANSPORTS.join(", "));
  const { check = false, message } = options;
  if (check && message !== undefined && message !== CHECKED_MESSAGE)
    throw bad("message", message, `${CHECKED_MESSAGE}, which is what a check sends`);
  if (world === "") throw bad("world", "an empty name", "a name of a world on the server");
  if (tickets !== undefined && tickets.length < clients)
    throw bad("tickets", `${tickets.length} tickets`, `one for each of ${clients} clients`);
  return {
    address: checkedAddress(options.url ?? "127.0.0.1:2555", remote),
    world,
    transport,
    clients,
    rate: number("rate", rate, 0.001, MAX_RATE),
    seconds: number("seconds", options.seconds, 0.1, MAX_SECONDS),
    message: check ? CHECKED_MESSAGE : message,
    input: options.input,
    inputRate: number("inputRate", options.inputRate ?? rate, 0.001, MAX_RATE),
    rampSeconds: side("rampSeconds", options.rampSeconds ?? clients / RAMP_PER_SECOND),
    warmUpSeconds: side("warmUpSeconds", options.warmUpSeconds ?? 2),
    graceSeconds: side("graceSeconds", options.graceSeconds ?? 5),
    processes: Math.min(
      clients,
      whole("processes", options.processes ?? defaultProcesses, 1, MAX_PROCESSES),
    ),
    seed: whole("seed", options.seed ?? 1, 0, 2 ** 32 - 1),
    tickets,
    serverKey: options.serverKey,
    check,
    history: options.history,
    remote,
    execArgv: options.execArgv ?? [],
  };
}

function bad(option: string, found: string | number, allowed: string): LoadError {
  return new LoadError("bad-load", `found ${found}, allowed: ${allowed}`, { option });
}

function number(option: string, value: number, min: number, max: number): number {
  if (!(value >= min && value <= max)) throw bad(option, value, `${min} to ${max}`);
  return value;
}

function side(option: string, seconds: number): number {
  return number(option, seconds, 0, MAX_SIDE_SECONDS);
}

function whole(option: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value)) throw bad(option, value, `a whole number, ${min} to ${max}`);
  return number(option, value, min, max);
}

/** Load must not hit strangers: a server elsewhere has to be allowed by name. */
function checkedAddress(text: string, remote: boolean): string {
  const allowed = "host:port, as in 127.0.0.1:2555";
  if (text.includes("://"))
    throw bad("url", text, `${allowed}; the transport is an option of its own`);
  let address: URL;
  try {
    address = new URL(`tcp://${text}`);
  } catch {
    throw bad("url", text, allowed);
  }
  const { hostname, port, host, pathname, username } = address;
  if (hostname === "" || port === "" || pathname.length > 1 || username !== "")
    throw bad("url", text, allowed);
  if (!remote && !isLoopback(hostname))
    throw new LoadError(
      "bad-load",
      `${hostname} is not this machine, and load on a server of others is an attack`,
      { option: "url", hint: "If the server is yours to load, say so with --remote." },
    );
  return host;
}
