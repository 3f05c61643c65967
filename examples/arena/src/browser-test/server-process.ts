import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../../../cli/dist/main.js", import.meta.url));
/** Below the range that systems hand out by themselves, so that no client's port gets in the way. */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

export interface ServerOptions {
  dataDir: string;
  configFile: string;
  ports: { players: number; health: number; pages: number };
}

/** The built `atlasnet monolith` in its own process. */
export class ServerProcess {
  private readonly options: ServerOptions;
  private child: ChildProcess | undefined;

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
    const child = spawn(process.execPath, [CLI, "monolith", ...flags], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    process.once("exit", () => child.kill("SIGKILL"));
    let said = "";
    await new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes("is running")) resolve();
      };
      child.stdout.on("data", hear);
      child.stderr.on("data", hear);
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${said}`)));
    });
  }

  /** As by `kill -9`, or by the power cut. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM");
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill(signal);
    await exit;
  }
}

/** Ports on the loopback that were free a moment ago. */
export async function freePorts(): Promise<ServerOptions["ports"]> {
  const found = new Set<number>();
  while (found.size < 3) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (await isFree(port)) found.add(port);
  }
  const [players = 0, health = 0, pages = 0] = found;
  return { players, health, pages };
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    // Taken, or not allowed: the caller tries another.
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
