import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { OperatingError } from "../errors.ts";

/** `warning`: it holds, and a person should look at it nevertheless. */
export type Health = { ok: true; warning?: string } | { ok: false; reason: string };

/**
 * A named condition. It is asked at every request, so it answers at once, from memory.
 * `live`: without it the process cannot recover by itself and should be restarted.
 * `ready`: without it the process should get no new players for now. The default.
 */
export interface HealthCheck {
  readonly name: string;
  readonly kind?: "live" | "ready";
  check(): Health;
}

export interface HealthServerOptions {
  /** Default 127.0.0.1: metrics are not for strangers. */
  readonly host?: string;
  /** Default 2557; 0 takes a free one. */
  readonly port?: number;
}

export interface HealthServerDependencies {
  /** Answers `/metrics`; Telemetry's `serveMetrics`. */
  serveMetrics(request: IncomingMessage, response: ServerResponse): void;
}

/** Answers GET requests below a path. */
export type PathHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Checks a server may have; one more is a fault of the wiring. */
const MAX_CHECKS = 1000;
/** A request has this long to arrive. */
const REQUEST_TIMEOUT_MS = 5_000;
const MAX_CONNECTIONS = 64;

/**
 * Health and metrics over HTTP, for orchestrators and people.
 *
 * | path | answers |
 * |---|---|
 * | `/live` | 200 while the event loop answers and every `live` check holds, else 503: restart it |
 * | `/ready` | 200 while every check of both kinds holds and the process does not drain, else 503: send no players |
 * | `/metrics` | Prometheus text |
 *
 * `/live` and `/ready` carry `{"status": "ok" or "failing", "checks": [{"name", "ok", "reason"?, "warning"?}]}`. A check
 * that throws counts as failing, with its message. A process that is starting is live and not ready: the
 * roles add their checks before they start, and those fail until they are up.
 */
export class HealthServer {
  private readonly host: string;
  private readonly port: number;
  private readonly dependencies: HealthServerDependencies;
  private readonly checks = new Map<string, HealthCheck>();
  private readonly paths = new Map<string, PathHandler>();
  private server: Server | undefined;
  private starting: Promise<void> | undefined;
  private draining = false;

  constructor(options: HealthServerOptions, dependencies: HealthServerDependencies) {
    this.host = options.host ?? "127.0.0.1";
    this.port = options.port ?? 2557;
    this.dependencies = dependencies;
  }

  /** Adds a check; the returned function takes it away. @throws Error when the name is taken. */
  add(check: HealthCheck): () => void {
    if (this.checks.has(check.name))
      throw new Error(`there is a health check ${check.name} already`);
    if (this.checks.size >= MAX_CHECKS) throw new Error(`more than ${MAX_CHECKS} health checks`);
    this.checks.set(check.name, check);
    return () => {
      if (this.checks.get(check.name) === check) this.checks.delete(check.name);
    };
  }

  /**
   * Hands requests for `/name` and all below it to a handler; the returned function ends that.
   * @throws Error when the name is taken.
   */
  serve(name: string, handler: PathHandler): () => void {
    if (this.paths.has(name)) throw new Error(`/${name} is served already`);
    this.paths.set(name, handler);
    return () => {
      if (this.paths.get(name) === handler) this.paths.delete(name);
    };
  }

  /** What `/ready` says, with the first reason why not. */
  readiness(): Health {
    const failing = [...this.drainCheck(), ...this.ask("all")].find(({ ok }) => !ok);
    if (failing === undefined) return { ok: true };
    return { ok: false, reason: `${failing.name}: ${failing.reason ?? "fails"}` };
  }

  /** The port that is listened on; undefined while not started. */
  get boundPort(): number | undefined {
    const address = this.server?.address();
    return typeof address === "object" && address !== null ? address.port : undefined;
  }

  /** Idempotent. @throws OperatingError when the address cannot be listened on. */
  start(): Promise<void> {
    this.starting ??= this.listen();
    return this.starting;
  }

  /** From now on `/ready` fails, so that no new players are sent here. */
  drain(): void {
    this.draining = true;
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    // A start that fails has told its caller; here it only means that there is nothing to close.
    await this.starting?.catch(() => undefined);
    const { server } = this;
    this.server = undefined;
    this.starting = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  private async listen(): Promise<void> {
    const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) =>
      this.answer(request, response),
    );
    server.maxConnections = MAX_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => {
        this.starting = undefined;
        reject(this.listenError(error));
      });
      server.listen(this.port, this.host, () => resolve());
    });
    this.server = server;
  }

  private listenError(cause: NodeJS.ErrnoException): OperatingError {
    const { host, port } = this;
    const facts = { host, port };
    const at = `${host}:${port}`;
    if (cause.code === "EADDRINUSE")
      return new OperatingError("port-in-use", `health.port: ${at} is in use by another program`, {
        facts,
        cause,
        hint: "Stop the program that listens there (another AtlasNet?), or choose another health.port.",
      });
    if (cause.code === "EACCES")
      return new OperatingError("port-forbidden", `health.port: no permission to listen on ${at}`, {
        facts,
        cause,
        hint: "Choose a health.port of 1024 or above.",
      });
    return new OperatingError("cannot-listen", `health.host: cannot listen on ${at}`, {
      facts,
      cause,
      hint: "health.host has to be an address of this machine, 127.0.0.1, or 0.0.0.0 for all.",
    });
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? "").split("?")[0];
    if (request.method !== "GET" && request.method !== "HEAD")
      response.writeHead(405, { allow: "GET, HEAD" }).end();
    else if (path === "/metrics") this.dependencies.serveMetrics(request, response);
    else if (path === "/live") this.report(response, this.ask("live"));
    else if (path === "/ready") this.report(response, [...this.drainCheck(), ...this.ask("all")]);
    else {
      const handler = this.paths.get(path?.split("/")[1] ?? "");
      if (handler !== undefined) handler(request, response);
      else response.writeHead(404, { "content-type": "text/plain" }).end(this.index());
    }
  }

  private index(): string {
    const others = [...this.paths.keys()].map((name) => ` /${name}`);
    return `/live /ready /metrics${others.join("")}\n`;
  }

  private ask(kind: "live" | "all"): CheckReport[] {
    const asked = [...this.checks.values()].filter((c) => kind === "all" || c.kind === "live");
    return asked.map((check) => {
      try {
        return { name: check.name, ...check.check() };
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        return { name: check.name, ok: false, reason };
      }
    });
  }

  private drainCheck(): CheckReport[] {
    return this.draining
      ? [{ name: "draining", ok: false, reason: "the process is stopping" }]
      : [];
  }

  private report(response: ServerResponse, checks: readonly CheckReport[]): void {
    const ok = checks.every((check) => check.ok);
    const body = JSON.stringify({ status: ok ? "ok" : "failing", checks });
    const headers = { "content-type": "application/json", "cache-control": "no-store" };
    response.writeHead(ok ? 200 : 503, headers).end(`${body}\n`);
  }
}

interface CheckReport {
  readonly name: string;
  readonly ok: boolean;
  readonly reason?: string;
  readonly warning?: string;
}
