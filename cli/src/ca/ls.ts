import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { certificateRows, tableText } from "./certificate-table.ts";
import { addDirOption, type CaDirOptions, loadIdentity, openCaOf } from "./options.ts";

interface LsOptions extends CaDirOptions {
  json?: boolean;
}

/** `atlasnet ca ls` */
export function addCaLs(ca: Command, io: CliIo): void {
  const command = ca.command("ls").description("list the certificates that the CA issued");
  addDirOption(command)
    .option("--json", "as JSON")
    .action(async (options: LsOptions) => {
      const { dateText } = await loadIdentity();
      const opened = await openCaOf(io, options);
      const rows = certificateRows(await opened.list(), Date.now(), dateText);
      if (options.json === true) {
        const { cluster, authority } = opened;
        const { fingerprint, notAfter } = authority;
        const text = { cluster, fingerprint, until: dateText(notAfter), certificates: rows };
        io.out(`${JSON.stringify(text, undefined, 2)}\n`);
      } else if (rows.length === 0)
        io.talk(`The CA of ${opened.cluster} has issued nothing yet.\n`);
      else io.out(tableText(rows));
    });
}
