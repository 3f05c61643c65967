import { resolve } from "node:path";
import type { Peer } from "@atlasnet/core";
import type { Address, ClusterCa } from "@atlasnet/identity";
import { type Command, Option } from "commander";
import type { CliIo } from "../cli-io.ts";
import { UsageError } from "../usage-error.ts";

/** What `--dir` says; the setting identity.ca has the same variable. */
export interface CaDirOptions {
  readonly dir?: string;
}
const DIR_VARIABLE = "ATLASNET_IDENTITY_CA";
const DEFAULT_DIR = "./ca";

/** Loaded when it is needed: the other commands do without. */
export const loadIdentity = () => import("@atlasnet/identity");

export function addDirOption(command: Command): Command {
  return command.option(
    "--dir <dir>",
    `the CA's folder (or ${DIR_VARIABLE}); default ${DEFAULT_DIR}`,
  );
}

export function addRoleOption(command: Command): Command {
  return command.addOption(
    new Option("--role <role>", "what the node is")
      .choices(["proxy", "gameserver", "apiserver"])
      .makeOptionMandatory(),
  );
}

/** The folder as the user wrote it, for commands that are shown, and where it is. */
export function caDir(
  io: CliIo,
  { dir }: CaDirOptions,
): { shown: string; path: string; given: boolean } {
  const named = dir ?? (io.env[DIR_VARIABLE] || undefined);
  const shown = named ?? DEFAULT_DIR;
  return { shown, path: resolve(io.workingDir, shown), given: named !== undefined };
}

export async function openCaOf(io: CliIo, options: CaDirOptions): Promise<ClusterCa> {
  const { openCa } = await loadIdentity();
  return openCa(caDir(io, options).path);
}

/** The words that a command line needs so that it names the same folder: empty for the usual one. */
export function dirWords(io: CliIo, options: CaDirOptions): string {
  const { shown, given } = caDir(io, options);
  return given ? ` --dir ${shown}` : "";
}

export async function checkNode(node: string): Promise<string> {
  const { isNodeId, NODE_ALLOWED } = await loadIdentity();
  if (!isNodeId(node)) throw new UsageError(`--node: found "${node}", allowed: ${NODE_ALLOWED}`);
  return node;
}

export async function parseDays(text: string): Promise<number> {
  const { MAX_DAYS } = await loadIdentity();
  const days = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (days < 1 || days > MAX_DAYS)
    throw new UsageError(`--days: found "${text}", allowed: a whole number, 1 to ${MAX_DAYS}`);
  return days;
}

export async function parseAddressOption(text: string): Promise<Address> {
  const { ADDRESS_ALLOWED, parseAddress } = await loadIdentity();
  const address = parseAddress(text);
  if (address === undefined)
    throw new UsageError(`--address: found "${text}", allowed: ${ADDRESS_ALLOWED}`);
  return address;
}

export type Role = Peer["role"];
