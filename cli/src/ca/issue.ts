import { resolve } from "node:path";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import {
  addDirOption,
  addRoleOption,
  type CaDirOptions,
  checkNode,
  loadIdentity,
  openCaOf,
  parseDays,
  type Role,
} from "./options.ts";

interface IssueOptions extends CaDirOptions {
  role: Role;
  node: string;
  days?: string;
  out: string;
}

/** `atlasnet ca issue` */
export function addCaIssue(ca: Command, io: CliIo): void {
  const command = ca
    .command("issue")
    .description("make a node's certificate and key, to be copied to its machine");
  addRoleOption(addDirOption(command))
    .requiredOption("--node <id>", "the node's node.id")
    .option("--days <days>", "how long it is good for; default 90")
    .option("--out <dir>", "folder for the files", "./identity")
    .action(async (options: IssueOptions) => {
      const { dateText, issueToFolder } = await loadIdentity();
      const { role } = options;
      const node = await checkNode(options.node);
      const days = options.days === undefined ? {} : { days: await parseDays(options.days) };
      const opened = await openCaOf(io, options);
      const held = (await opened.records.ofNode(node)).filter((one) => one.notAfter > Date.now());
      const dir = resolve(io.workingDir, options.out);
      const identity = await issueToFolder(opened, { dir, role, node }, days);
      const [latest] = held;
      if (latest !== undefined)
        io.talk(
          `Note: node ${node} (${latest.role}) holds another certificate, until ${dateText(latest.notAfter)}. Two processes must not have one node id.\n`,
        );
      const secrets = role === "proxy" ? ", tickets.jwks.json, udp.jwk.json" : "";
      io.out(`Issued a certificate to ${role} ${node} of ${identity.cluster}, good until ${dateText(identity.notAfter)}.
Files in ${options.out}: ${node}.crt, ${node}.key, ca.crt${secrets}
Copy them to the node's identity.dir, for its user's eyes only, and delete ${node}.key here. Then, there:
  atlasnet ${role} --node.id ${node} --identity.dir DIR
`);
    });
}
