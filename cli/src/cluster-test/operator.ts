import { runCli } from "../program.ts";
import type { ProcessCluster } from "../testing/process-cluster.ts";

/** How a command ended, and what it wrote. */
export interface Said {
  readonly code: number;
  readonly out: string;
  readonly talk: string;
}

/** A command of the CLI against a cluster, as its operator gives it. */
export async function operate(cluster: ProcessCluster, ...args: string[]): Promise<Said> {
  let out = "";
  let talk = "";
  const { addresses, tokenFile } = cluster.api();
  const code = await runCli(
    [...args, "--api", addresses.join(","), "--token-file", tokenFile],
    {
      out: (text) => {
        out += text;
      },
      talk: (text) => {
        talk += text;
      },
      width: 80,
      env: {},
      workingDir: cluster.dir,
      stop: new AbortController().signal,
    },
    { loadMonolith: () => Promise.reject(new Error("no monolith in this test")) },
  );
  return { code, out, talk };
}
