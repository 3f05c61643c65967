import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { ConsulAgent } from "../agent/consul-agent.ts";

/** A Consul agent in development mode, in memory, on loopback: for tests. */
export interface DevAgent {
  readonly address: string;
  /** The process ends at once; what it kept is gone. */
  stop(): Promise<void>;
}

/** Stands in the name of a test that is skipped for want of it. Undefined: there is one. */
export const NO_CONSUL =
  spawnSync("consul", ["version"], { stdio: "ignore" }).status === 0
    ? undefined
    : "there is no consul in PATH: scripts/install-consul installs it";

const START_LIMIT_MS = 60_000;
/** Below those that systems hand out to outgoing connections. */
const FIRST_PORT = 20_000;
const LAST_PORT = 29_000;
const ATTEMPTS = 5;

/** @throws Error when it does not come up; what it said is in the message. */
export async function startDevAgent(): Promise<DevAgent> {
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts();
    const started = await start(["-dev", "-log-level", "warn"], ports);
    if ("address" in started) return started;
    if (attempt === ATTEMPTS) throw new Error(`the Consul agent did not start: ${started.said}`);
  }
}

/** A Consul server of its own, on loopback, which keeps what it is told in a folder. */
export interface ServerAgent {
  readonly address: string;
  /** The process ends at once, as with kill -9; what it has stays on the disk. */
  kill(): Promise<void>;
  /** The same again, with what is on the disk. Resolves once it takes writes. */
  startAgain(): Promise<void>;
}

/** @throws Error when it does not come up; what it said is in the message. */
export async function startServerAgent(dir: string): Promise<ServerAgent> {
  const args = [
    ...["-server", "-bootstrap-expect=1", "-data-dir", dir, "-node", "consul-1"],
    ...["-log-level", "warn", "-hcl", "performance { raft_multiplier = 1 }"],
  ];
  const ports = await freePorts();
  let running: DevAgent | undefined;
  const run = async () => {
    const started = await start(args, ports);
    if (!("address" in started)) throw new Error(`the Consul agent did not start: ${started.said}`);
    running = started;
    return started.address;
  };
  const address = await run();
  return {
    address,
    kill: async () => {
      await running?.stop();
      running = undefined;
    },
    startAgain: async () => {
      await run();
    },
  };
}

async function start(
  kind: readonly string[],
  ports: AgentPorts,
): Promise<DevAgent | { readonly said: string }> {
  const { http, server, lan, wan, dns } = ports;
  const limits = "limits { http_max_conns_per_client = 4096 }";
  const child = spawn(
    "consul",
    [
      "agent",
      ...kind,
      ...["-bind", "127.0.0.1", "-client", "127.0.0.1"],
      ...["-http-port", String(http), "-server-port", String(server), "-grpc-port", "-1"],
      ...["-serf-lan-port", String(lan), "-serf-wan-port", String(wan), "-dns-port", String(dns)],
      ...["-hcl", limits],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let said = "";
  const hear = (bytes: Buffer) => {
    said = `${said}${bytes.toString()}`.slice(-4000);
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  child.once("error", (error) => hear(Buffer.from(String(error))));
  const end = () => child.kill("SIGKILL");
  // A test that fails leaves no agent behind.
  process.once("exit", end);
  const stop = async () => {
    process.removeListener("exit", end);
    await ended(child, end);
  };
  const address = `http://127.0.0.1:${http}`;
  if (await answers(address, child)) return { address, stop };
  await stop();
  return { said };
}

/** It has a leader and takes writes. */
async function answers(address: string, child: ChildProcess): Promise<boolean> {
  const agent = new ConsulAgent({ address });
  const deadline = performance.now() + START_LIMIT_MS;
  try {
    while (performance.now() < deadline && child.exitCode === null) {
      const up = await agent.set("started", Buffer.from("yes")).then(
        () => true,
        () => false,
      );
      if (up) return true;
      await delay(50);
    }
    return false;
  } finally {
    agent.close();
  }
}

async function ended(child: ChildProcess, end: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  await new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    end();
  });
}

interface AgentPorts {
  readonly http: number;
  readonly server: number;
  readonly lan: number;
  readonly wan: number;
  readonly dns: number;
}

async function freePorts(): Promise<AgentPorts> {
  const ports: number[] = [];
  while (ports.length < 5) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (!ports.includes(port) && (await isFree(port))) ports.push(port);
  }
  const [http = 0, server = 0, lan = 0, wan = 0, dns = 0] = ports;
  return { http, server, lan, wan, dns };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
