import { AtlasnetProcess, freePort } from "./atlasnet-process.ts";

export interface ServerOptions {
  dataDir: string;
  configFile: string;
  ports: { players: number; health: number; pages: number };
}

/** The built `atlasnet monolith` in its own process. */
export class ServerProcess {
  private readonly options: ServerOptions;
  private process: AtlasnetProcess | undefined;

  constructor(options: ServerOptions) {
    this.options = options;
  }

  get pages(): string {
    return `http://127.0.0.1:${this.options.ports.pages}`;
  }

  /** Resolves when the server says that it runs. @throws with all it said, when it ends instead. */
  async start(): Promise<void> {
    const { dataDir, configFile, ports } = this.options;
    const settings = {
      config: configFile,
      "data.dir": dataDir,
      "journal.syncMs": 20,
      "log.level": "warn",
      "proxy.host": "127.0.0.1",
      "proxy.port": ports.players,
      "health.port": ports.health,
      "apiserver.port": 0,
      "http.host": "127.0.0.1",
      "http.port": ports.pages,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    this.process = await AtlasnetProcess.start(["monolith", ...flags]);
  }

  /** As by `kill -9`, or by the power cut. */
  async kill(): Promise<void> {
    await this.process?.end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.process?.end("SIGTERM");
  }
}

/** Ports on the loopback that were free a moment ago. */
export async function freePorts(): Promise<ServerOptions["ports"]> {
  const first = await freePort(3);
  return { players: first, health: first + 1, pages: first + 2 };
}
