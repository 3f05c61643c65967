import { join } from "node:path";
import { AtlasnetProcess, atlasnet, freePort } from "./atlasnet-process.ts";

/** A cluster takes its ports from this many in a row; the pages have the one behind them. */
const CLUSTER_PORTS = 40;

export interface ClusterOptions {
  /** Everything of it is kept below. */
  readonly dir: string;
  readonly configFile: string;
}

/** Where a world is, as `atlasnet world show` has it. */
interface Placement {
  readonly owner?: { readonly node: string };
  readonly mirror?: { readonly node: string; readonly state: string };
}

/** `atlasnet dev cluster` of the built program: an apiserver, two proxies and two gameservers, processes of their own. */
export class ClusterProcess {
  private readonly options: ClusterOptions;
  private process: AtlasnetProcess | undefined;
  private port = 0;

  constructor(options: ClusterOptions) {
    this.options = options;
  }

  get pages(): string {
    return `http://127.0.0.1:${this.port + CLUSTER_PORTS}`;
  }

  /** Resolves when all of it runs. @throws with all it said, when it ends instead. */
  async start(): Promise<void> {
    const { dir, configFile } = this.options;
    this.port = await freePort(CLUSTER_PORTS + 1);
    const settings = {
      config: configFile,
      dir,
      apiservers: 1,
      port: this.port,
      "log.level": "warn",
      "http.host": "127.0.0.1",
      "http.port": this.port + CLUSTER_PORTS,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    // The user's own contexts stay as they are.
    const env = { ATLASNET_CONTEXTS: join(dir, "contexts.toml") };
    this.process = await AtlasnetProcess.start(["dev", "cluster", ...flags], env);
  }

  /** A command for its operators. @throws with what it said, when its exit code is not 0. */
  operate(...args: readonly string[]): Promise<string> {
    const api = /^ +API +(\S+)/m.exec(this.process?.said ?? "")?.[1] ?? "";
    const token = join(this.options.dir, "admin.token");
    return atlasnet(...args, "--api", api, "--token-file", token);
  }

  /** Where a world is, once that is so for which `holds`. */
  async placed(world: string, holds: (placement: Placement) => boolean): Promise<Placement> {
    for (;;) {
      const shown = await this.operate("world", "show", world, "-o", "json");
      const { placements } = JSON.parse(shown) as { placements: readonly Placement[] };
      const [placement] = placements;
      if (placement !== undefined && holds(placement)) return placement;
    }
  }

  /** As by `kill -9`; it is started again after a while. */
  kill(node: string): void {
    const starts = new RegExp(`^\\[cluster\\] ${node} starts \\(process (\\d+)\\)`, "gm");
    const pid = [...(this.process?.said ?? "").matchAll(starts)].at(-1)?.[1];
    if (pid === undefined) throw new Error(`the cluster has no ${node}`);
    process.kill(Number(pid), "SIGKILL");
  }

  async stop(): Promise<void> {
    await this.process?.end("SIGTERM");
  }
}
