import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ApiClient } from "@atlasnet/apiserver/client";
import { OperatingError } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { type Command, Option } from "commander";
import type { CliIo } from "../cli-io.ts";
import { type Context, readContext } from "./context-file.ts";

export interface ApiOptions {
  readonly api?: string;
  readonly context?: string;
  readonly tokenFile?: string;
  readonly apiCa?: string;
}

export const DEFAULT_API = "http://127.0.0.1:8080";
/** Where an apiserver on this machine puts it by default. */
const LOCAL_TOKEN = join("data", "admin.token");
/** Loading what talks to apiservers is left until it is needed. */
const loadClient = () => import("@atlasnet/apiserver/client");
/** Time over which a request is tried again: longer than the election of a leader takes. */
const RETRY_MS = 5_000;

export function addApiOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--api <addresses>",
        `apiservers, with commas (or ATLASNET_API); default ${DEFAULT_API}`,
      ),
    )
    .addOption(
      new Option("--context <name>", "a cluster of the contexts file (or ATLASNET_CONTEXT)"),
    )
    .addOption(new Option("--token-file <file>", "file with the token (or ATLASNET_TOKEN: itself)"))
    .addOption(new Option("--api-ca <file>", "the cluster's ca.crt, for https"));
}

/** Runs `work` with a client, which is closed then. */
export async function withApi<T>(
  io: CliIo,
  options: ApiOptions,
  work: (client: ApiClient) => Promise<T>,
): Promise<T> {
  const client = await connect(io, options);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** Runs `work` for each address by itself: what an apiserver has for itself is not that of another. */
export async function withEachApi(
  io: CliIo,
  options: ApiOptions,
  work: (client: ApiClient, address: string) => Promise<void>,
): Promise<void> {
  const { parseApiAddresses } = await loadClient();
  const context = await chosenContext(io, options);
  for (const { origin } of parseApiAddresses(context.addresses)) {
    const client = await connect(io, options, { ...context, addresses: [origin] });
    try {
      await work(client, origin);
    } finally {
      client.close();
    }
  }
}

async function connect(io: CliIo, options: ApiOptions, given?: Context): Promise<ApiClient> {
  const { ApiClient, parseApiAddresses } = await loadClient();
  const context = given ?? (await chosenContext(io, options));
  const urls = parseApiAddresses(context.addresses);
  const local = urls.every(({ hostname }) => isLoopback(hostname));
  const token = await tokenOf(io, options, context, local);
  const far = urls.find((url) => url.protocol === "http:" && !isLoopback(url.hostname));
  if (far !== undefined && token !== undefined)
    throw new OperatingError(
      "plain-http",
      `${far.origin} is another machine: a token is not sent there without TLS`,
      { hint: "Use https://, or a tunnel to that machine (ssh -L 8080:127.0.0.1:8080)." },
    );
  const caFile = options.apiCa === undefined ? context.ca : resolve(io.workingDir, options.apiCa);
  return new ApiClient(
    {
      addresses: context.addresses,
      token,
      ca: caFile === undefined ? undefined : await textOf(caFile, "the CA's certificate"),
      retryMs: RETRY_MS,
      waitForServers: false,
    },
    { clock: systemClock, random: systemRandom },
  );
}

/** Flags come before the environment, and both before the file. */
async function chosenContext(io: CliIo, options: ApiOptions): Promise<Context> {
  if (options.api !== undefined) return { addresses: [options.api] };
  if (options.context === undefined && io.env["ATLASNET_API"])
    return { addresses: [io.env["ATLASNET_API"]] };
  const name = options.context ?? (io.env["ATLASNET_CONTEXT"] || undefined);
  return (await readContext(io, name)) ?? { addresses: [DEFAULT_API] };
}

async function tokenOf(
  io: CliIo,
  { tokenFile }: ApiOptions,
  context: Context,
  local: boolean,
): Promise<string | undefined> {
  if (tokenFile !== undefined) return tokenIn(resolve(io.workingDir, tokenFile));
  if (io.env["ATLASNET_TOKEN"]) return io.env["ATLASNET_TOKEN"].trim();
  if (context.token !== undefined) return context.token.trim();
  if (context.tokenFile !== undefined) return tokenIn(context.tokenFile);
  if (!local) return undefined;
  // The apiserver in this folder; its token is for nobody else.
  return tokenIn(join(io.workingDir, LOCAL_TOKEN)).catch(() => undefined);
}

async function tokenIn(file: string): Promise<string> {
  return (await textOf(file, "the token")).trim();
}

async function textOf(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new OperatingError("cannot-read", `${file}: ${what} cannot be read`, {
      cause,
      hint: "Look at the path and the permissions.",
    });
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
