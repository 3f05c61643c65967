import { Server } from "node:https";
import type { Socket } from "node:net";
import type { ArtifactStore } from "@atlasnet/artifacts";
import {
  type Clock,
  type ControlStore,
  type Logger,
  OperatingError,
  type Random,
} from "@atlasnet/core";
import type { Meter } from "@opentelemetry/api";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { loadOrCreateAdminToken } from "./admin-token-file.ts";
import { ApiError, errorAnswer, INTERNAL } from "./api-error.ts";
import { AuditLog } from "./audit.ts";
import type { EventStream } from "./event-stream.ts";
import { isLoopback } from "./loopback.ts";
import { apiMetrics } from "./metrics.ts";
import type {
  BackupPort,
  ClusterPort,
  LoadPort,
  LogLevelPort,
  MovePort,
  PlacementPort,
  RaftPort,
  RebalancePort,
} from "./ports.ts";
import { registerTokens } from "./register-token.ts";
import { RequestHandler } from "./request-handler.ts";
import { allRoutes } from "./routes/all-routes.ts";
import type { JoiningPort } from "./routes/join.ts";
import { type TokenRecord, TokenVerifier } from "./tokens.ts";

export interface ApiServerOptions {
  /** Of this apiserver. */
  readonly node: string;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM. Without it only addresses of this machine are listened on: tokens must not cross a network in the clear. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** File of the first administrator's token; made when it is not there. */
  readonly adminTokenFile: string;
  /** Watches over HTTP at a time; the next get 429. Default 1000. */
  readonly maxStreams?: number;
}

export interface ApiServerDependencies {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter?: Meter;
  readonly cluster?: ClusterPort;
  readonly placement?: PlacementPort;
  readonly load?: LoadPort;
  readonly moves?: MovePort;
  readonly rebalance?: RebalancePort;
  readonly raft?: RaftPort;
  readonly backup?: BackupPort;
  readonly logLevel?: LogLevelPort;
  /** How nodes find the apiservers and get their certificates; undefined: not here. */
  readonly joining?: JoiningPort | undefined;
  /** Where modules are kept. */
  readonly artifacts?: ArtifactStore | undefined;
  /** There is a store of snapshots that all gameservers reach. Default: no. */
  readonly snapshots?: boolean | undefined;
}

/** Largest body of a JSON request: a transaction in base64, or a value whose every letter is escaped. */
export const MAX_BODY_BYTES = 2 * 1024 * 1024;
/** Of one part of a path: the longest is the name of a module. */
const MAX_PARAM_LENGTH = 300;
/** Connections at a time; more are closed at once. */
const MAX_CONNECTIONS = 4096;
const DEFAULT_MAX_STREAMS = 1000;
/** For the headers of a request, and for a TLS handshake. */
const HEAD_TIMEOUT_MS = 10_000;
/** For a whole request; a backup that is restored has to arrive within it. */
const REQUEST_TIMEOUT_MS = 300_000;

/**
 * The HTTP API of an apiserver. What it answers is in `/v1/openapi.json`, which is made of the schemas that
 * check the requests.
 *
 * 1. Who asks is known before anything is read of a body.
 * 2. Every change is in the audit log, also one that was refused.
 * 3. Nothing is unbounded: bodies, streams, connections, what waits for a slow reader.
 */
export class ApiServer {
  private readonly options: ApiServerOptions;
  private readonly dependencies: ApiServerDependencies;
  private readonly streams = new Set<EventStream>();
  private readonly stopping = new AbortController();
  private app: FastifyInstance | undefined;
  private starting: Promise<void> | undefined;

  constructor(options: ApiServerOptions, dependencies: ApiServerDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  get address(): { host: string; port: number } | undefined {
    const address = this.app?.server.address();
    return typeof address === "object" && address !== null
      ? { host: this.options.host, port: address.port }
      : undefined;
  }

  /** Idempotent. @throws OperatingError "port-in-use", "cannot-listen", "needs-tls", "bad-token-file" */
  start(): Promise<void> {
    this.starting ??= this.listen();
    return this.starting;
  }

  /** For connections from now on, when it was started with TLS. @throws what OpenSSL has against the pair */
  setTls(tls: { readonly cert: string; readonly key: string }): void {
    const server = this.app?.server;
    if (server instanceof Server) server.setSecureContext({ ...tls, minVersion: "TLSv1.3" });
  }

  /** Takes nothing new; what is under way is answered, streams end and their readers go elsewhere. */
  async drain(): Promise<void> {
    for (const stream of [...this.streams]) stream.close();
    this.app?.server.close();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.stopping.abort();
    // A start that fails has told its caller; here it only means that there is nothing to close.
    await this.starting?.catch(() => undefined);
    for (const stream of [...this.streams]) stream.close();
    const { app } = this;
    this.app = undefined;
    await app?.close();
  }

  private async listen(): Promise<void> {
    const { host, port, tls, node, adminTokenFile } = this.options;
    const { clock, random, logger, store } = this.dependencies;
    if (tls === undefined && !isLoopback(host))
      throw new OperatingError("needs-tls", `the API may not be served on ${host} without TLS`, {
        hint: "Set apiserver.host to 127.0.0.1, or give this node a certificate of the cluster's CA.",
      });
    const admin = await loadOrCreateAdminToken({ file: adminTokenFile, node }, { clock, random });
    if (admin.created)
      logger.info("Made a token for the administrator.", { file: adminTokenFile, token: admin.id });
    const app = this.createApp(new Map([[admin.id, admin.record]]));
    try {
      await app.listen({ host, port });
    } catch (cause) {
      await app.close();
      throw listenError(`${host}:${port}`, cause);
    }
    this.app = app;
    // The other apiservers know it once it is in the store; that may take until there is a quorum.
    registerTokens(admin, { store, clock, logger, signal: this.stopping.signal });
  }

  private createApp(local: ReadonlyMap<string, TokenRecord>): FastifyInstance {
    const { node, tls, maxStreams = DEFAULT_MAX_STREAMS } = this.options;
    const { store, clock, random, logger, meter, cluster, placement, load, moves, raft } =
      this.dependencies;
    const { rebalance, backup, logLevel, artifacts, snapshots, joining } = this.dependencies;
    const audit = new AuditLog({ logger, clock });
    const routes = allRoutes({
      node,
      store,
      clock,
      random,
      logger,
      audit,
      cluster,
      placement,
      load,
      moves,
      rebalance,
      raft,
      backup,
      logLevel,
      artifacts,
      snapshots,
      joining,
    });
    const common = {
      logger: false,
      forceCloseConnections: true,
      bodyLimit: MAX_BODY_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      exposeHeadRoutes: false,
      routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
      return503OnClosing: true,
      // What is refused before there is a route.
      frameworkErrors: (error: Error, _request: FastifyRequest, reply: FastifyReply) => {
        const { status, body } = badRequest(error.message, ADDRESS_HINT);
        return reply.code(status).send(body);
      },
      clientErrorHandler,
    } as const;
    const times = { headersTimeout: HEAD_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS };
    const app: FastifyInstance =
      tls === undefined
        ? fastify({ ...common, http: times })
        : fastify({
            ...common,
            https: {
              ...tls,
              ...times,
              minVersion: "TLSv1.3",
              handshakeTimeout: HEAD_TIMEOUT_MS,
            },
          });
    app.server.maxConnections = MAX_CONNECTIONS;
    app.server.on("tlsClientError", (error: Error) => {
      logger.debug("A TLS handshake failed.", { error });
    });
    const wallTime = () => clock.wallTime();
    const handler = new RequestHandler(
      { routes, maxStreams },
      {
        store,
        clock,
        logger,
        audit,
        tokens: new TokenVerifier({ local }, { store, wallTime }),
        metrics: apiMetrics(meter, () => this.streams.size),
        streams: this.streams,
      },
    );
    handler.register(app);
    return app;
  }
}

const ADDRESS_HINT =
  "In the path, write what is no letter, digit or -._~ as % and two hexadecimal digits for each byte of its UTF-8.";
const HTTP_HINT = "This port speaks HTTP/1.1, with TLS where apiserver.tls is set.";

function badRequest(message: string, hint: string) {
  return errorAnswer(new ApiError("bad-request", message.slice(0, 300), hint)) ?? INTERNAL;
}

/** What is no HTTP, or too much or too slow of it, is answered as far as the socket still takes it. */
function clientErrorHandler(error: Error, socket: Socket): void {
  if ("code" in error && error.code === "ECONNRESET") return;
  if (socket.writable) {
    const { body } = badRequest(error.message, HTTP_HINT);
    const text = JSON.stringify(body);
    const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}`;
    socket.write(`HTTP/1.1 400 Bad Request\r\n${head}\r\nconnection: close\r\n\r\n${text}`);
  }
  socket.destroySoon();
}

function listenError(at: string, cause: unknown): OperatingError {
  const inUse = cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE";
  return inUse
    ? new OperatingError("port-in-use", `apiserver.port: ${at} is in use by another program`, {
        cause,
        hint: "Stop the program that listens there, or choose another apiserver.port. A monolith can do without the API: apiserver.http = false.",
      })
    : new OperatingError("cannot-listen", `apiserver.host: cannot listen on ${at}`, {
        cause,
        hint: "Set apiserver.host to an address of this machine, and apiserver.port to one that is allowed.",
      });
}
