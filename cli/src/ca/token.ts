import { networkInterfaces } from "node:os";
import { MAX_TOKEN_SECONDS } from "@atlasnet/core";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { durationOf } from "../duration.ts";
import { UsageError } from "../usage-error.ts";
import {
  addDirOption,
  addRoleOption,
  type CaDirOptions,
  checkNode,
  loadIdentity,
  openCaOf,
  parseAddressOption,
  type Role,
} from "./options.ts";

interface TokenOptions extends CaDirOptions {
  role: Role;
  node?: string;
  ttl: string;
  address?: string;
  api?: boolean;
}

/** `atlasnet ca token`. Only the token goes to stdout. */
export function addCaToken(ca: Command, io: CliIo): void {
  const command = ca
    .command("token")
    .description(
      "print a token with which a new node fetches its certificate from an apiserver, or `ca serve`",
    );
  addRoleOption(addDirOption(command))
    .option("--node <id>", "for this node only, also when it has a certificate already")
    .option("--ttl <duration>", "how long it is good for", "1h")
    .option(
      "--address <host:port>",
      "where nodes reach `ca serve`; default: this machine, port 2558. Nodes with cluster.apiservers ask those first",
    )
    .option("--api", "for nodes with cluster.apiservers only: the token says no address")
    .action(async (options: TokenOptions) => {
      const { role } = options;
      const ttlSeconds = durationOf("--ttl", options.ttl, { min: 1, max: MAX_TOKEN_SECONDS });
      if (options.api === true && options.address !== undefined)
        throw new UsageError(
          "--api and --address do not go together: the token names an address or none",
        );
      const { addressText, DEFAULT_CA_PORT } = await loadIdentity();
      const node = options.node === undefined ? undefined : await checkNode(options.node);
      const address =
        options.address !== undefined
          ? await parseAddressOption(options.address)
          : options.api === true
            ? undefined
            : { host: ownAddress(), port: DEFAULT_CA_PORT };
      const opened = await openCaOf(io, options);
      const token = await opened.token({ role, node, ttlSeconds, address });
      const whom = node === undefined ? `any new ${role}` : `${role} ${node}`;
      const where =
        address === undefined
          ? "with any apiserver that has the CA's folder (apiserver --ca)"
          : `with \`atlasnet ca serve\` at ${addressText(address)}`;
      const api = address === undefined ? " --apiserver https://HOST:PORT" : "";
      io.talk(
        `A token for ${whom}, good for ${options.ttl}, ${where}. On its machine: atlasnet ${role} --node.id ${node ?? "NODE"}${api} --join TOKEN\n`,
      );
      io.out(`${token}\n`);
    });
}

/** An IPv4 address under which other machines may know this one. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
}
