import { TLSSocket } from "node:tls";
import { type Logger, OperatingError } from "@atlasnet/core";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { addressText } from "./address.ts";
import { certify } from "./authority.ts";
import type { ClusterCa } from "./cluster-ca.ts";
import { type JoinAnswer, JoinService } from "./join-service.ts";
import { RateLimit } from "./rate-limit.ts";
import { MAX_REQUEST_BYTES, type RefusalCode } from "./wire.ts";
import { newKeyPair, privateKeyPem } from "./x509.ts";

export interface CaServerOptions {
  readonly ca: ClusterCa;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** A handshake and a request each have this long. Default 10,000. */
  readonly timeoutMs?: number;
}

export interface CaServerDependencies {
  readonly logger: Logger;
  /** Unix time in ms; by default the machine's. */
  now?(): number;
}

/** Connections at a time; more are closed at once. */
const MAX_CONNECTIONS = 128;
const DEFAULT_TIMEOUT_MS = 10_000;
/** Requests that are late are looked for so often within their time; left alone, Node looks every 30 s. */
const CHECKS_PER_TIMEOUT = 10;
/** Joins and renewals of one address. */
const REQUESTS_PER_SECOND = 5;
const REQUEST_BURST = 50;

const STATUS: { readonly [code in RefusalCode]: number } = {
  "bad-request": 400,
  "bad-csr": 400,
  "bad-token": 401,
  "foreign-token": 401,
  "token-expired": 401,
  "bad-certificate": 401,
  "unknown-certificate": 401,
  "wrong-role": 403,
  "wrong-node": 403,
  "node-taken": 409,
  "too-many-requests": 429,
  "not-found": 404,
  failed: 500,
};

/**
 * What `atlasnet ca serve` runs: nodes fetch and renew their certificates here.
 *
 * | request | answer |
 * |---|---|
 * | `POST /v1/join` `{token, csr, role, node}` | `{certificate, authorities, secrets?}` |
 * | `POST /v1/renew` `{csr}`, over mutual TLS | the same |
 * | `GET /v1/health` | `{status: "ok", cluster}` |
 *
 * Refusals are `{code, message}`.
 */
export class CaServer {
  private readonly options: CaServerOptions;
  private readonly logger: Logger;
  private readonly now: () => number;
  private app: FastifyInstance | undefined;
  private starting: Promise<void> | undefined;

  constructor(options: CaServerOptions, dependencies: CaServerDependencies) {
    this.options = options;
    this.logger = dependencies.logger;
    this.now = dependencies.now ?? Date.now;
  }

  get address(): { host: string; port: number } | undefined {
    const address = this.app?.server.address();
    return typeof address === "object" && address !== null
      ? { host: this.options.host, port: address.port }
      : undefined;
  }

  /** Idempotent. @throws OperatingError "port-in-use", "cannot-listen" */
  start(): Promise<void> {
    this.starting ??= this.listen();
    return this.starting;
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    // A start that fails has told its caller; here it only means that there is nothing to close.
    await this.starting?.catch(() => undefined);
    const { app } = this;
    this.app = undefined;
    this.starting = undefined;
    await app?.close();
  }

  private async listen(): Promise<void> {
    const { host, port } = this.options;
    const app = await this.createApp();
    try {
      await app.listen({ host, port });
    } catch (cause) {
      await app.close();
      this.starting = undefined;
      throw listenError(addressText({ host, port }), cause);
    }
    this.app = app;
  }

  private async createApp(): Promise<FastifyInstance> {
    const { ca, timeoutMs = DEFAULT_TIMEOUT_MS } = this.options;
    const { logger, now } = this;
    const app = fastify({
      logger: false,
      forceCloseConnections: true,
      bodyLimit: MAX_REQUEST_BYTES,
      requestTimeout: timeoutMs,
      connectionTimeout: timeoutMs,
      https: {
        ...(await serverCredentials(ca)),
        minVersion: "TLSv1.3",
        handshakeTimeout: timeoutMs,
        headersTimeout: timeoutMs,
        requestTimeout: timeoutMs,
        connectionsCheckingInterval: timeoutMs / CHECKS_PER_TIMEOUT,
        requestCert: true,
        // Who joins has no certificate yet; who renews is judged by JoinService, which can say what is wrong.
        rejectUnauthorized: false,
      },
    });
    app.server.maxConnections = MAX_CONNECTIONS;
    app.server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
      logger.debug("A TLS handshake failed.", { address: socket.remoteAddress, error });
    });
    const service = new JoinService({ ca }, { logger, now });
    const limit = new RateLimit(
      { perSecond: REQUESTS_PER_SECOND, burst: REQUEST_BURST },
      { now: () => performance.now() },
    );
    app.addHook("onRequest", async (request, reply) => {
      if (request.method === "GET" || limit.take(request.ip)) return;
      const message = `${request.ip} asks too often`;
      await this.answer(request, reply, { ok: false, code: "too-many-requests", message });
    });
    app.get("/v1/health", (_request, reply) => reply.send({ status: "ok", cluster: ca.cluster }));
    app.post("/v1/join", async (request, reply) =>
      this.answer(request, reply, await service.join(request.body)),
    );
    app.post("/v1/renew", async (request, reply) =>
      this.answer(request, reply, await service.renew(clientCertificate(request), request.body)),
    );
    app.setNotFoundHandler((request, reply) =>
      this.answer(request, reply, {
        ok: false,
        code: "not-found",
        message: "there are POST /v1/join, POST /v1/renew and GET /v1/health",
      }),
    );
    app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
      const theirs = error.statusCode !== undefined && error.statusCode < 500;
      // What is wrong with the CA's folder is for the log here, not for strangers.
      if (!theirs) logger.error("The CA cannot answer a request.", { error });
      return this.answer(
        request,
        reply,
        theirs
          ? { ok: false, code: "bad-request", message: error.message }
          : { ok: false, code: "failed", message: "the CA failed: its log says why" },
      );
    });
    return app;
  }

  private answer(request: FastifyRequest, reply: FastifyReply, answer: JoinAnswer): FastifyReply {
    if (answer.ok) return reply.code(200).send(answer.answer);
    const { code, message } = answer;
    const path = request.routeOptions.url ?? "unknown";
    const facts = { path, address: request.ip, code, reason: message };
    // Whoever floods us shall not flood the log.
    const quiet = code === "too-many-requests" || code === "not-found";
    if (quiet) this.logger.debug("A request was refused.", facts);
    else this.logger.warn("A request was refused.", facts);
    return reply.code(STATUS[code]).send({ code, message });
  }
}

/**
 * The server's own certificate, for as long as the CA lives: its key is in the memory of a process that has
 * the CA's key as well, so a shorter life would guard nothing.
 */
async function serverCredentials(ca: ClusterCa): Promise<{ key: string; cert: string }> {
  const keys = await newKeyPair();
  const { authority } = ca;
  const issued = await certify(authority, { role: "ca", node: "ca" }, keys.publicKey, authority);
  // With the CA's own: who has only a token knows it by its hash.
  const cert = `${issued.certificate}${authority.certificate}`;
  return { key: await privateKeyPem(keys.privateKey), cert };
}

function clientCertificate({ raw: { socket } }: FastifyRequest): Uint8Array | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined;
}

function listenError(at: string, cause: unknown): OperatingError {
  const inUse = cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE";
  return inUse
    ? new OperatingError("port-in-use", `${at} is in use by another program`, {
        cause,
        hint: "Stop the program that listens there (another `atlasnet ca serve`?), or choose another --port.",
      })
    : new OperatingError("cannot-listen", `cannot listen on ${at}`, {
        cause,
        hint: "Give --host an address of this machine, and --port one that is allowed.",
      });
}
