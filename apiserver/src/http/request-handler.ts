import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { Clock, ControlStore, Logger, Revision } from "@atlasnet/core";
import { ControlError, MAX_REQUEST_ID_LENGTH } from "@atlasnet/core";
import { version } from "@atlasnet/core/node";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { ApiError, errorAnswer, INTERNAL } from "./api-error.ts";
import type { AuditLog } from "./audit.ts";
import { EventStream } from "./event-stream.ts";
import type { ApiMetrics } from "./metrics.ts";
import { openApiDocument } from "./openapi.ts";
import { allows, type Call, type Caller, type Route } from "./route.ts";
import type { TokenVerifier } from "./tokens.ts";

interface RequestHandlerDependencies {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly audit: AuditLog;
  readonly tokens: TokenVerifier;
  readonly metrics: ApiMetrics;
  /** Streams that are open; whoever stops closes them. */
  readonly streams: Set<EventStream>;
}

export const DOCUMENT_PATH = "/v1/openapi.json";
/** Who leads as this apiserver knows it: `<term> <node>`. */
export const LEADER_HEADER = "atlasnet-leader";
const IDEMPOTENCY_HEADER = "idempotency-key";

/** Puts routes on a fastify instance: token, role, audit, errors, streams. */
export class RequestHandler {
  private readonly routes: readonly Route[];
  private readonly maxStreams: number;
  private readonly parts: RequestHandlerDependencies;
  private readonly callers = new WeakMap<FastifyRequest, Caller>();
  /** Streams that are about to begin, too. */
  private opening = 0;

  constructor(
    { routes, maxStreams }: { readonly routes: readonly Route[]; readonly maxStreams: number },
    dependencies: RequestHandlerDependencies,
  ) {
    this.routes = routes;
    this.maxStreams = maxStreams;
    this.parts = dependencies;
  }

  register(app: FastifyInstance): void {
    const parseJson = app.getDefaultJsonParser("error", "error");
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
      // Some clients name a type where they send nothing.
      if (body === "") done(null, undefined);
      else void parseJson(request, String(body), done);
    });
    // Streamed; whoever reads it bounds it.
    app.addContentTypeParser("application/octet-stream", (_request, payload, done) =>
      done(null, payload),
    );
    app.setErrorHandler((error, request, reply) => this.refuse(error, request, reply));
    app.setNotFoundHandler((request, reply) =>
      this.refuse(
        new ApiError(
          "not-found",
          `there is no ${request.method} ${request.url.split("?")[0]?.slice(0, 200)}`,
          `GET ${DOCUMENT_PATH} lists what there is.`,
        ),
        request,
        reply,
      ),
    );
    app.addHook("onSend", async (_request, reply) => {
      const leader = this.leaderText();
      if (leader !== undefined) reply.header(LEADER_HEADER, leader);
      reply.header("cache-control", "no-store");
    });
    app.addHook("onResponse", async (request, reply) => {
      // A stream was counted when it began: how long it lasted says nothing of us.
      if (isStream(request) && reply.raw.statusCode === 200) return;
      this.parts.metrics.answered(nameOf(request), reply.statusCode, reply.elapsedTime / 1000);
    });
    const document = openApiDocument(this.routes, version);
    app.get(DOCUMENT_PATH, { config: { name: "openapi" } }, (_request, reply) =>
      reply.send(document),
    );
    for (const route of this.routes) this.addRoute(app, route);
  }

  private addRoute(app: FastifyInstance, route: Route): void {
    app.route({
      method: route.method,
      url: route.path.replaceAll(/\{(\w+)\}/g, ":$1"),
      config: { name: route.name, stream: route.kind === "events" },
      ...(route.maxBodyBytes === undefined ? {} : { bodyLimit: route.maxBodyBytes }),
      onRequest: (request) => this.authorize(route, request),
      handler: async (request, reply) => {
        try {
          const call = this.callOf(route, request);
          const answer = await this.run(route, request, reply, call);
          this.note(route, request, "ok");
          return answer;
        } catch (error) {
          this.note(route, request, errorAnswer(error)?.body.code ?? "internal");
          throw error;
        }
      },
    });
  }

  private async authorize(route: Route, request: FastifyRequest): Promise<void> {
    if (route.role === "anyone") return;
    const caller = await this.parts.tokens.verify(request.headers.authorization);
    this.callers.set(request, caller);
    if (allows(caller.role, route.role)) return;
    this.note(route, request, "forbidden");
    throw new ApiError(
      "forbidden",
      `${route.name} needs the role ${route.role}; the token ${caller.id} has ${caller.role}`,
      "Ask an administrator of the cluster for a token with that role.",
    );
  }

  private run(
    route: Route,
    request: FastifyRequest,
    reply: FastifyReply,
    call: Call,
  ): Promise<unknown> {
    const raw = { params: request.params, query: request.query, body: request.body };
    switch (route.kind) {
      case "json":
        if (raw.body instanceof Readable) throw wantsJson("the body is not JSON");
        reply.code(route.status);
        return route.run(raw, call);
      case "upload":
        return route.run({ ...raw, body: bytesOf(request.body) }, call);
      case "download":
        return route.run(raw, call).then((chunks) => {
          reply.type("application/octet-stream");
          return Readable.from(chunks, { objectMode: false });
        });
      case "events":
        return this.stream(route, request, reply);
    }
  }

  private async stream(
    route: Extract<Route, { kind: "events" }>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { store, clock, streams } = this.parts;
    if (streams.size + this.opening >= this.maxStreams)
      throw new ControlError(
        "too-many-watches",
        `${this.maxStreams} watches are open at this apiserver; more are not allowed`,
        { hint: "Close some, watch prefixes instead of single keys, or ask another apiserver." },
      );
    this.opening += 1;
    try {
      const raw = { params: request.params, query: request.query, body: request.body };
      const source = await route.run(raw);
      // "From now on" gets its revision here, so that a reader who comes again misses nothing.
      const asked = resumedAt(request) ?? source.request.after;
      const after = asked ?? (await store.range(NOW)).revision;
      if (asked !== undefined) await notAhead(store, asked);
      if (request.raw.destroyed) return reply.hijack();
      reply.hijack();
      const leader = this.leaderText();
      const stream = new EventStream(
        { headers: leader === undefined ? {} : { [LEADER_HEADER]: leader } },
        { response: reply.raw, clock, onEnd: () => streams.delete(stream) },
      );
      streams.add(stream);
      stream.start(store, source, after);
      this.parts.metrics.answered(route.name, 200, reply.elapsedTime / 1000);
      return reply;
    } finally {
      this.opening -= 1;
    }
  }

  private callOf(route: Route, request: FastifyRequest): Call {
    const id = request.headers[IDEMPOTENCY_HEADER];
    const who = { caller: this.callers.get(request), from: request.ip };
    if (id === undefined) return { ...who, id };
    if (typeof id !== "string" || id.length === 0 || id.length > MAX_REQUEST_ID_LENGTH)
      throw new ApiError(
        "bad-request",
        `${IDEMPOTENCY_HEADER}: 1 to ${MAX_REQUEST_ID_LENGTH} letters are needed`,
      );
    return { ...who, id: changeId(id, who.caller, route, request) };
  }

  /** One entry for each change: its result, or that the role was not enough. */
  private note(route: Route, request: FastifyRequest, result: string): void {
    const caller = this.callers.get(request);
    if (!route.changes || caller === undefined) return;
    const target = { ...texts(request.params), ...texts(request.query), ...named(request.body) };
    this.parts.audit.add(caller, { from: request.ip, what: route.name, target, result });
  }

  private refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const answer = errorAnswer(error) ?? errorAnswer(asApiError(error)) ?? INTERNAL;
    const facts = { route: nameOf(request), from: request.ip, code: answer.body.code };
    if (answer === INTERNAL) this.parts.logger.error("A request failed.", { ...facts, error });
    else this.parts.logger.debug("A request was refused.", { ...facts, error });
    if (answer.status === 401) reply.header("www-authenticate", "Bearer");
    return reply.code(answer.status).type("application/json").send(answer.body);
  }

  private leaderText(): string | undefined {
    const leader = this.parts.store.leader();
    return leader === undefined ? undefined : `${leader.term} ${leader.node}`;
  }
}

/**
 * A change as the store knows it: the same for the same request of the same token alone. Else one who uses a
 * key twice, or another one who thought of the same, would be told that a change was made that was not.
 */
function changeId(
  key: string,
  caller: Caller | undefined,
  route: Route,
  { params, query, body }: FastifyRequest,
): string {
  const said = body instanceof Readable ? null : (body ?? null);
  const whole = JSON.stringify([key, caller?.id ?? null, route.name, params, query, said]);
  return createHash("sha256").update(whole).digest("base64url");
}

/** Reads the present revision, and as little else as can be. */
const NOW = { key: "now" } as const;

/**
 * A watch behind a revision that is to come would say nothing for as long as that takes. This apiserver may be
 * behind, so whoever leads is asked before anybody is told so.
 */
async function notAhead(store: ControlStore, after: Revision): Promise<void> {
  const here = await store.range({ ...NOW, consistency: "local" });
  if (after <= here.revision) return;
  const { revision } = await store.range(NOW);
  if (after > revision)
    throw new ApiError(
      "bad-request",
      `the revision ${after} is yet to come: the store is at ${revision}`,
      "Watch behind the revision of an answer of this cluster, or leave it out to watch from now on.",
    );
}

function nameOf(request: FastifyRequest): string {
  const { config } = request.routeOptions;
  return "name" in config && typeof config.name === "string" ? config.name : "unknown";
}

function isStream(request: FastifyRequest): boolean {
  const { config } = request.routeOptions;
  return "stream" in config && config.stream === true;
}

/** What fastify refuses by itself. */
function asApiError(error: unknown): ApiError | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  const { statusCode, message } = error;
  if (statusCode === 413) return new ApiError("too-large", message, "Send less at a time.");
  if (typeof statusCode === "number" && statusCode >= 400 && statusCode < 500)
    return wantsJson(message);
  return undefined;
}

function wantsJson(problem: string): ApiError {
  return new ApiError("bad-request", problem, "Send JSON, with content-type application/json.");
}

function resumedAt(request: FastifyRequest): number | undefined {
  const id = request.headers["last-event-id"];
  if (id === undefined) return undefined;
  if (typeof id === "string" && /^\d{1,16}$/.test(id) && Number.isSafeInteger(Number(id)))
    return Number(id);
  throw new ApiError("bad-request", "last-event-id: a revision is needed");
}

function bytesOf(body: unknown): Readable {
  if (body instanceof Readable) return body;
  throw new ApiError(
    "bad-request",
    "the body has to be bytes",
    "Send it with content-type application/octet-stream.",
  );
}

function texts(given: unknown): { [name: string]: string } {
  if (typeof given !== "object" || given === null) return {};
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) =>
      typeof value === "string" ? [[name, value]] : [],
    ),
  );
}

/** Parts of a body that say what a change is about; never values. */
const NAMED = ["world", "name", "role", "level", "node", "to", "address"];

function named(body: unknown): { [name: string]: string } {
  if (body instanceof Readable) return {};
  return Object.fromEntries(Object.entries(texts(body)).filter(([name]) => NAMED.includes(name)));
}
