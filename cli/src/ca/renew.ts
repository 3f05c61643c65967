import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { noopLogger, OperatingError } from "@atlasnet/core";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import {
  addDirOption,
  type CaDirOptions,
  caDir,
  checkNode,
  loadIdentity,
  parseAddressOption,
} from "./options.ts";

interface RenewOptions extends CaDirOptions {
  node: string;
  identity: string;
  address?: string;
}

/** `atlasnet ca renew` */
export function addCaRenew(ca: Command, io: CliIo): void {
  const command = ca
    .command("renew")
    .description("renew a node's certificate now, from the CA's folder or from `ca serve`");
  addDirOption(command)
    .requiredOption("--node <id>", "the node's node.id")
    .option("--identity <dir>", "the node's identity.dir", "./data/identity")
    .option(
      "--address <host:port>",
      "where `ca serve` is; default: where the certificate was fetched",
    )
    .action(async (options: RenewOptions) => {
      const { dateText, renewIdentity, storedRole } = await loadIdentity();
      const node = await checkNode(options.node);
      const dir = resolve(io.workingDir, options.identity);
      const address =
        options.address === undefined ? undefined : await parseAddressOption(options.address);
      const role = await storedRole({ dir, node });
      if (role === undefined)
        throw new OperatingError("no-identity", `there is no certificate of ${node} in ${dir}`, {
          facts: { dir, node },
          hint: "Name the node's identity.dir with --identity, or get a first certificate: `atlasnet ca issue`, or `atlasnet ca token`.",
        });
      const { identity } = await renewIdentity(
        { dir, role, node, ...source(io, options), ...(address === undefined ? {} : { address }) },
        { logger: noopLogger, now: Date.now },
      );
      io.out(
        `Renewed the certificate of ${role} ${node} of ${identity.cluster}, good until ${dateText(identity.notAfter)}. A running node takes it up within the hour.\n`,
      );
    });
}

/** The CA's folder where it is named or stands in its usual place, unless a server is named. */
function source(io: CliIo, options: RenewOptions): { ca?: string } {
  if (options.address !== undefined) return {};
  const { path, given } = caDir(io, options);
  return given || existsSync(join(path, "ca.key")) ? { ca: path } : {};
}
