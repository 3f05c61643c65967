import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { UsageError } from "../usage-error.ts";
import {
  addDirOption,
  type CaDirOptions,
  caDir,
  dirWords,
  loadIdentity,
  parseDays,
} from "./options.ts";

interface InitOptions extends CaDirOptions {
  cluster?: string;
  days?: string;
}

/** `atlasnet ca init` */
export function addCaInit(ca: Command, io: CliIo): void {
  const command = ca.command("init").description("make the CA of a new cluster in a folder");
  addDirOption(command)
    .option("--cluster <name>", "the cluster's name; default: cluster- and six random characters")
    .option("--days <days>", "how long the CA is good for; default 3650")
    // Taken, so that what is said of it names the flag.
    .allowExcessArguments()
    .action(async (options: InitOptions) => {
      const [folder] = command.args;
      if (folder !== undefined)
        throw new UsageError(
          `ca init: found "${folder}", which is no option`,
          `The folder is named by a flag: atlasnet ca init --dir ${folder}`,
        );
      const { CLUSTER_ALLOWED, createCa, dateText, isClusterName } = await loadIdentity();
      const { cluster } = options;
      if (cluster !== undefined && !isClusterName(cluster))
        throw new UsageError(`--cluster: found "${cluster}", allowed: ${CLUSTER_ALLOWED}`);
      const { path, shown } = caDir(io, options);
      const made = await createCa(path, {
        ...(cluster === undefined ? {} : { cluster }),
        ...(options.days === undefined ? {} : { days: await parseDays(options.days) }),
      });
      const until = dateText(made.authority.notAfter);
      io.out(initText({ cluster: made.cluster, until, shown, dir: dirWords(io, options) }));
    });
}

interface Made {
  cluster: string;
  until: string;
  shown: string;
  dir: string;
}

function initText({ cluster, until, shown, dir }: Made): string {
  return `Made the CA of ${cluster} in ${shown}, good until ${until}.
Keep a copy of the folder where nobody else reads it: ca.key makes nodes, the other keys make players' tickets.

A cluster on this machine:
  atlasnet gameserver --ca ${shown} --node.id gs-1 --world arena=@atlasnet/example-arena
  atlasnet proxy --ca ${shown} --node.id proxy-1 --peer gs-1=127.0.0.1:2556 --health.port 2567

Nodes on other machines fetch their certificates from here:
  atlasnet ca serve${dir}
  atlasnet ca token${dir} --role gameserver   prints a token; there: atlasnet gameserver --join TOKEN
`;
}
