import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import type { Command } from "commander";
import { type Context, contextsFile, readContexts, writeContexts } from "../api/context-file.ts";
import { addOutputOption, type OutputOptions, show } from "../api/output.ts";
import { tableText } from "../api/table.ts";
import type { CliIo } from "../cli-io.ts";
import { UsageError } from "../usage-error.ts";

interface SetOptions {
  readonly api?: string;
  readonly tokenFile?: string;
  readonly saveToken?: boolean;
  readonly apiCa?: string;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Contexts of one file. */
const MAX_CONTEXTS = 100;

/** `atlasnet context`: clusters by name, with their addresses and the operator's token. */
export function addContextCommand(program: Command, io: CliIo): void {
  const context = program
    .command("context")
    .description("clusters by name: addresses of their apiservers, token, CA");

  addOutputOption(
    context.command("ls").description("list the contexts, without their tokens"),
  ).action(async ({ output }: OutputOptions) => {
    const { current, contexts } = await readContexts(io);
    const shown = Object.entries(contexts).map(([name, { addresses, ca, ...rest }]) => ({
      ...{ name, current: name === current, addresses, token: tokenText(rest) },
      ...(ca !== undefined && { ca }),
    }));
    show(io, output, shown, () => {
      if (shown.length > 0)
        return tableText(
          ["CURRENT", "NAME", "APISERVERS", "TOKEN"],
          shown.map((one) => [
            one.current ? "*" : "",
            one.name,
            one.addresses.join(","),
            one.token,
          ]),
        );
      io.talk(
        `There are no contexts in ${contextsFile(io)}; \`atlasnet context set\` makes one.\n`,
      );
      return "";
    });
  });

  context
    .command("use <name>")
    .description("make a context the current one")
    .action(async (name: string) => {
      const { contexts } = await readContexts(io);
      existing(io, contexts, name);
      await writeContexts(io, { current: name, contexts });
      io.talk(`${name} is the current context.\n`);
    });

  context
    .command("set <name>")
    .description("make or change a context; what is not named stays. The first one becomes current")
    .option("--api <addresses>", "its apiservers, with commas: https://10.0.0.1:8080,…")
    .option("--token-file <file>", "file with the token; its path is remembered")
    .option(
      "--save-token",
      "copy the token itself into the contexts file, from --token-file or ATLASNET_TOKEN",
    )
    .option("--api-ca <file>", "the cluster's ca.crt, for https")
    .action(async (name: string, options: SetOptions) => {
      if (!NAME.test(name))
        throw new UsageError(
          `context set: found "${name}", allowed: letters, digits, ., _ and -, at most 64`,
        );
      const { current, contexts } = await readContexts(io);
      const before = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
      if (before === undefined && Object.keys(contexts).length >= MAX_CONTEXTS)
        throw new UsageError(`context set: there are ${MAX_CONTEXTS} contexts; remove one first`);
      const changed = await changedContext(io, before, options);
      await writeContexts(io, {
        current: current ?? name,
        contexts: { ...contexts, [name]: changed },
      });
      io.talk(
        `${before === undefined ? "Made" : "Changed"} the context ${name} in ${contextsFile(io)}.\n`,
      );
    });

  context
    .command("rm <name>")
    .description("forget a context")
    .action(async (name: string) => {
      const { current, contexts } = await readContexts(io);
      existing(io, contexts, name);
      const { [name]: _, ...rest } = contexts;
      await writeContexts(io, { current: current === name ? undefined : current, contexts: rest });
      io.talk(`Forgot the context ${name}.\n`);
    });
}

function existing(io: CliIo, contexts: { readonly [name: string]: Context }, name: string): void {
  if (Object.hasOwn(contexts, name)) return;
  const known = Object.keys(contexts).join(", ") || "none";
  throw new UsageError(
    `context: ${contextsFile(io)} has no context "${name}"; there are: ${known}`,
  );
}

async function changedContext(
  io: CliIo,
  before: Context | undefined,
  { api, tokenFile, saveToken = false, apiCa }: SetOptions,
): Promise<Context> {
  const { parseApiAddresses } = await import("@atlasnet/apiserver/client");
  if (before === undefined && api === undefined)
    throw new UsageError(
      "context set: a new context needs --api",
      "As in: atlasnet context set prod --api https://10.0.0.1:8080,https://10.0.0.2:8080",
    );
  const addresses =
    api === undefined
      ? (before?.addresses ?? [])
      : parseApiAddresses([api]).map(({ origin }) => origin);
  const token = await givenToken(io, tokenFile, saveToken);
  const place = saveToken ? undefined : tokenFile;
  const kept = token === undefined && place === undefined;
  return {
    addresses,
    token: kept ? before?.token : token,
    tokenFile: kept ? before?.tokenFile : place && pathIn(io, place),
    ca: apiCa === undefined ? before?.ca : pathIn(io, apiCa),
  };
}

async function givenToken(
  io: CliIo,
  tokenFile: string | undefined,
  saveToken: boolean,
): Promise<string | undefined> {
  if (!saveToken) return undefined;
  if (tokenFile === undefined) {
    const token = io.env["ATLASNET_TOKEN"]?.trim();
    if (token) return token;
    throw new UsageError("--save-token: there is no token", "Give --token-file or ATLASNET_TOKEN.");
  }
  const text = await readFile(resolve(io.workingDir, tokenFile), "utf8").catch((error: unknown) => {
    throw new UsageError(`--token-file: ${error instanceof Error ? error.message : String(error)}`);
  });
  return text.trim();
}

/** As it is written into the file, where paths begin: beside it relative, elsewhere whole. */
function pathIn(io: CliIo, path: string): string {
  const whole = resolve(io.workingDir, path);
  const beside = relative(dirname(contextsFile(io)), whole);
  return beside.startsWith("..") || isAbsolute(beside) ? whole : beside;
}

function tokenText({ token, tokenFile }: Omit<Context, "addresses">): string {
  if (token !== undefined) return "in the contexts file";
  return tokenFile ?? "none";
}
