import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa } from "@atlasnet/identity";
import { ServerProcess } from "./server-process.ts";

export interface ClusterOptions {
  proxies: number;
  /** World name and the file of its module. */
  world: readonly [string, string];
  gameserverFlags?: readonly string[];
  proxyFlags?: readonly string[];
  /** Of Node, for all of them. */
  execArgv?: readonly string[];
}

/** One gameserver and proxies in front of it, each a process of its own, linked by QUIC. */
export class Cluster {
  readonly gameserver: ServerProcess;
  readonly proxies: readonly ServerProcess[];
  private readonly folder: string;

  private constructor(
    gameserver: ServerProcess,
    proxies: readonly ServerProcess[],
    folder: string,
  ) {
    this.gameserver = gameserver;
    this.proxies = proxies;
    this.folder = folder;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), "atlasnet-bench-ca-"));
    const ca = join(folder, "ca");
    await createCa(ca, {});
    const execArgv = options.execArgv ?? [];
    const flags = (node: string) => ["--node.id", node, "--identity.ca", ca];
    const [world, module] = options.world;
    const gameserver = await ServerProcess.start({
      command: "gameserver",
      flags: [
        ...flags("gs"),
        "--world",
        `${world}=${module}`,
        "--gameserver.threads",
        "1",
        ...(options.gameserverFlags ?? []),
      ],
      execArgv,
    });
    const proxies: ServerProcess[] = [];
    for (let n = 1; n <= options.proxies; n++)
      proxies.push(
        await ServerProcess.start({
          command: "proxy",
          flags: [
            ...flags(`proxy-${n}`),
            "--links.peers",
            `gs=127.0.0.1:${gameserver.port}`,
            ...(options.proxyFlags ?? []),
          ],
          execArgv,
        }),
      );
    return new Cluster(gameserver, proxies, folder);
  }

  async stop(): Promise<void> {
    for (const proxy of this.proxies) await proxy.stop();
    await this.gameserver.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
