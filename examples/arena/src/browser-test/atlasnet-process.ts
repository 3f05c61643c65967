import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../../../cli/dist/main.js", import.meta.url));
/** Below the range that systems hand out by themselves, so that no client's port gets in the way. */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

/** The built `atlasnet` in its own process, which serves until it is ended. */
export class AtlasnetProcess {
  private readonly child: ChildProcess;
  private readonly chunks: string[] = [];

  private constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, [CLI, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    process.once("exit", () => this.child.kill("SIGKILL"));
  }

  /** Resolves when it says that it runs. @throws with all it said, when it ends instead. */
  static async start(
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<AtlasnetProcess> {
    const started = new AtlasnetProcess(args, env);
    const { child, chunks } = started;
    await new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer) => {
        chunks.push(chunk.toString());
        if (/(is|are) running/.test(started.said)) resolve();
      };
      child.stdout?.on("data", hear);
      child.stderr?.on("data", hear);
      child.once("error", reject);
      child.once("exit", (code) =>
        reject(new Error(`atlasnet ${args.join(" ")} ended with ${code}:\n${started.said}`)),
      );
    });
    return started;
  }

  /** All it said, on both outputs. */
  get said(): string {
    return this.chunks.join("");
  }

  /** Idempotent. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill(signal);
    await exit;
  }
}

/** A command of the built `atlasnet`, to its end. @throws with what it said, when its exit code is not 0. */
export async function atlasnet(...args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let talk = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    talk += chunk.toString();
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`atlasnet ${args.join(" ")} ended with ${code}:\n${out}${talk}`);
  return out;
}

/** The first of so many ports in a row on the loopback that were free a moment ago. */
export async function freePort(count = 1): Promise<number> {
  for (;;) {
    const first = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - count - FIRST_PORT));
    const ports = Array.from({ length: count }, (_, at) => first + at);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return first;
  }
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
