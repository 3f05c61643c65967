import { MAX_TOKEN_SECONDS } from "@atlasnet/core";
import { loadOrCreateKeyFile, readUdpKey } from "@atlasnet/core/node";
import type { Plain } from "@atlasnet/world";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { durationOf } from "../duration.ts";
import { addSettingOptions } from "../setting-options.ts";
import { UsageError } from "../usage-error.ts";

interface IssueOptions {
  account: string;
  world: string;
  name: string;
  claims?: string;
  ttl: string;
}

/** `atlasnet ticket issue`. Only the ticket goes to stdout, for `TICKET=$(atlasnet ticket issue …)`. */
export function addTicketCommand(program: Command, io: CliIo): void {
  const ticket = program.command("ticket").description("tickets that let players in");
  const issue = ticket
    .command("issue")
    .description("print a ticket, signed with the first key of tickets.keyFile")
    .requiredOption("--account <account>", "who the player is, 1 to 128 bytes")
    .option("--name <name>", "display name", "")
    .option("--claims <json>", "JSON object for the world (the claim `data`), at most 1 KiB")
    .option("--ttl <duration>", "how long it is good for", "1h");
  // `--world` names a world to join here, not one to run.
  const settings = addSettingOptions(issue, io, { modules: false });
  issue
    .requiredOption("--world <world>", "the world's name, or * for all")
    .action(async (options: IssueOptions) => {
      const ttlSeconds = durationOf("--ttl", options.ttl, { min: 1, max: MAX_TOKEN_SECONDS });
      const data = options.claims === undefined ? null : parseData(options.claims);
      const { config } = await settings.load();
      const { keyFile } = config.tickets;
      const { keys, created } = await loadOrCreateKeyFile(keyFile);
      if (created) io.talk(`Made a new key in ${keyFile}; the server must use the same file.\n`);
      const { account, world, name } = options;
      const expiresAt = Math.floor(Date.now() / 1000) + ttlSeconds;
      // With it in the ticket, the client knows the server over UDP from the first packet on.
      const udpKey = config.proxy.udp.enabled
        ? await readUdpKey(config.proxy.udp.keyFile)
        : undefined;
      const hints = udpKey === undefined ? {} : { serverKey: udpKey.publicKey };
      io.out(`${await keys.issue({ account, world, name, data, expiresAt }, hints)}\n`);
    });
}

function parseData(text: string): Plain {
  const refuse = (found: string) =>
    new UsageError(`--claims: found ${found}, allowed: a JSON object, as in '{"level": 3}'`);
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    throw refuse("what is not JSON");
  }
  if (typeof data !== "object" || data === null || Array.isArray(data)) throw refuse(text);
  const plain: { readonly [key: string]: Plain } = Object.fromEntries(Object.entries(data));
  return plain;
}
