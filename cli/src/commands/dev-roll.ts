import { resolve } from "node:path";
import type { CliIo } from "../cli-io.ts";
import { askCluster } from "../cluster/control-socket.ts";
import { DEFAULT_CLUSTER_DIR } from "../cluster/layout.ts";
import type { DevCommand } from "./dev.ts";

const NOTES = `
Proxies first, then gameservers, then apiservers, the leader last; each has to be ready before the next
one's turn. A proxy asks its clients to come in elsewhere, a gameserver moves its worlds away: players
play on. Configurations are written when the cluster starts, and are not read anew.`;

/** `atlasnet dev roll`: replaces the processes of a running `atlasnet dev cluster` one by one. */
export function addDevRollCommand(dev: DevCommand, io: CliIo): void {
  dev.command
    .command("roll")
    .description("restart the processes of a running dev cluster one by one, as an upgrade does")
    .option("--dir <folder>", "the cluster's folder", DEFAULT_CLUSTER_DIR)
    .addHelpText("after", NOTES)
    .action(async ({ dir }: { readonly dir: string }) => {
      await askCluster(resolve(io.workingDir, dir), "roll", (text) => io.talk(`${text}\n`));
    });
}
