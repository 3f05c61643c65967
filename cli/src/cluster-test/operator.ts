import { runCommand, type Said, type StartedCommand, startCommand } from "../testing/command.ts";
import type { ProcessCluster } from "../testing/process-cluster.ts";

/** A command of the CLI against a cluster, as its operator gives it. */
export function operate(cluster: ProcessCluster, ...args: string[]): Promise<Said> {
  return runCommand([...args, ...access(cluster)], { workingDir: cluster.dir });
}

/** One that goes on until it is stopped. */
export function follow(
  cluster: ProcessCluster,
  stop: AbortSignal,
  ...args: string[]
): StartedCommand {
  return startCommand([...args, ...access(cluster)], { workingDir: cluster.dir, stop });
}

function access(cluster: ProcessCluster): string[] {
  const { addresses, tokenFile } = cluster.api();
  return ["--api", addresses.join(","), "--token-file", tokenFile];
}
