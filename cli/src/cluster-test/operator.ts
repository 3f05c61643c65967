import { runCommand, type Said } from "../testing/command.ts";
import type { ProcessCluster } from "../testing/process-cluster.ts";

/** A command of the CLI against a cluster, as its operator gives it. */
export function operate(cluster: ProcessCluster, ...args: string[]): Promise<Said> {
  const { addresses, tokenFile } = cluster.api();
  return runCommand([...args, "--api", addresses.join(","), "--token-file", tokenFile], {
    workingDir: cluster.dir,
  });
}
