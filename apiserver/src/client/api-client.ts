import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import {
  type Clock,
  ControlError,
  isControlErrorCode,
  type LeaderInfo,
  MAX_RETRY_MS,
  type Random,
  type Timer,
} from "@atlasnet/core";
import { ApiError, isApiErrorCode } from "../http/api-error.ts";
import { parseApiAddresses } from "./address.ts";
import { Exchange } from "./exchange.ts";

export interface ApiClientOptions {
  /** As `parseApiAddresses` takes them. The first that answers is asked, until it does not any more. */
  readonly addresses: readonly string[];
  readonly token?: string | undefined;
  /** PEM of the cluster's CA. */
  readonly ca?: string | undefined;
  /** Longest time over which one request is tried again, at most MAX_RETRY_MS. Default 10,000. */
  readonly retryMs?: number;
  /** False: when every address refuses connections, that is the answer at once. Default true. */
  readonly waitForServers?: boolean;
}

export interface ApiRequest {
  readonly method: "GET" | "PUT" | "PATCH" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: { readonly [name: string]: string | number | undefined };
  /** JSON, or a function that begins bytes anew: they may be sent more than once. */
  readonly body?: unknown;
  /** Sent as the idempotency key; a change without one is not sent again once it may have arrived. */
  readonly id?: string;
  readonly headers?: { readonly [name: string]: string };
}

const DEFAULT_RETRY_MS = 10_000;
/** One address has this long: longer than an apiserver takes to say that there is no quorum. */
const ATTEMPT_MS = 5_000;
/**
 * An address that has said nothing for so long may stand still: what may be sent twice is asked of the next one as well,
 * and the first answer counts. Longer than an apiserver usually waits for another leader, so that few requests are doubled.
 */
export const HEDGE_MS = 500;
const MIN_PAUSE_MS = 20;
const MAX_PAUSE_MS = 1_000;
/** A range of MAX_RANGE_BYTES in base64 and more. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** Another apiserver, or the same one later, may give another answer. */
const RETRIED: ReadonlySet<string> = new Set(["no-quorum", "timeout", "unreachable", "busy"]);

/**
 * Asks apiservers over HTTP: fails over to the next address, and tries again for a bounded time what may be
 * sent twice. Errors come as they were answered: with `code` and `hint`.
 */
export class ApiClient {
  readonly addresses: readonly URL[];
  readonly clock: Clock;
  readonly random: Random;
  private readonly token: string | undefined;
  private readonly retryMs: number;
  private readonly waitForServers: boolean;
  private readonly exchange: Exchange;
  private readonly closing = new AbortController();
  private current = 0;
  private known: LeaderInfo | undefined;

  /** @throws OperatingError "bad-address" */
  constructor(options: ApiClientOptions, { clock, random }: { clock: Clock; random: Random }) {
    this.addresses = parseApiAddresses(options.addresses);
    this.token = options.token;
    this.retryMs = Math.min(options.retryMs ?? DEFAULT_RETRY_MS, MAX_RETRY_MS);
    this.waitForServers = options.waitForServers ?? true;
    this.clock = clock;
    this.random = random;
    this.exchange = new Exchange({ ca: options.ca });
  }

  /** Who led when an apiserver last answered. */
  get leader(): LeaderInfo | undefined {
    return this.known;
  }

  newId(): string {
    return Buffer.from(this.random.bytes(16)).toString("hex");
  }

  /** The JSON of the answer. @throws ControlError, ApiError */
  async request(request: ApiRequest): Promise<unknown> {
    const { body } = await this.anywhere(request, async (message) => readJson(message));
    return body;
  }

  /** The bytes of the answer, which have to be read. @throws ControlError, ApiError */
  async download(request: ApiRequest): Promise<AsyncIterable<Uint8Array>> {
    const { body } = await this.anywhere(request, async (message) => message, {
      abort: new AbortController(),
      idleMs: ATTEMPT_MS,
    });
    return body;
  }

  /**
   * Sends bytes, for as long as they take, and gives the JSON of the answer. Only silence is bounded: `idleMs` has to
   * be enough for what the apiserver does before it answers. @throws ControlError, ApiError
   */
  async upload(request: ApiRequest, { idleMs }: { idleMs: number }): Promise<unknown> {
    const patience = { abort: new AbortController(), idleMs };
    const { body } = await this.anywhere(request, async (message) => readJson(message), patience);
    return body;
  }

  /** One try at one address, for streams; `signal` ends it also later. @throws ControlError, ApiError, what sockets throw */
  async open(
    request: ApiRequest,
    { at, idleMs, signal }: { at: number; idleMs: number; signal: AbortSignal },
  ): Promise<IncomingMessage> {
    const url = this.addresses[at % this.addresses.length];
    if (url === undefined) throw new Error("there is at least one address");
    const message = await this.exchange.ask({
      url: urlOf(url, request),
      method: request.method,
      headers: this.headersOf(request),
      body: bodyOf(request.body),
      idleMs,
      signal: AbortSignal.any([signal, this.closing.signal]),
    });
    this.learn(message.headers);
    if (message.statusCode !== undefined && message.statusCode < 300) return message;
    throw errorOf(message.statusCode ?? 0, await readJson(message).catch(() => undefined), url);
  }

  /** What runs is given up. Idempotent. */
  close(): void {
    this.closing.abort();
    this.exchange.close();
  }

  private async anywhere<T>(
    request: ApiRequest,
    read: (message: IncomingMessage) => Promise<T>,
    patience?: { readonly abort: AbortController; readonly idleMs: number },
  ): Promise<{ body: T }> {
    const deadline = this.clock.now() + this.retryMs;
    const mayRepeat = request.method === "GET" || request.id !== undefined;
    for (let tries = 1, pauseMs = MIN_PAUSE_MS, refusals = 0; ; tries++) {
      const at = this.current;
      try {
        if (patience !== undefined) {
          const { abort, idleMs } = patience;
          return {
            body: await read(await this.open(request, { at, idleMs, signal: abort.signal })),
          };
        }
        return { body: await this.ask(request, { at, read, hedged: mayRepeat }) };
      } catch (error) {
        const refused = isRefused(error);
        refusals = refused ? refusals + 1 : 0;
        const again = isRetried(error) && (mayRepeat || refused) && !this.closing.signal.aborted;
        const nobody = !this.waitForServers && refusals >= this.addresses.length;
        if (!again || nobody || this.clock.now() + pauseMs > deadline) throw this.told(error);
        // Only if nobody else has moved on meanwhile.
        if (this.current === at) this.current = (at + 1) % this.addresses.length;
      }
      if (tries % this.addresses.length !== 0) continue;
      await this.pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
    }
  }

  /** One address, and where `hedged` the next one beside it once that is silent. Whoever answers is asked from then on. */
  private async ask<T>(
    request: ApiRequest,
    {
      at,
      read,
      hedged,
    }: { at: number; read: (message: IncomingMessage) => Promise<T>; hedged: boolean },
  ): Promise<T> {
    let beside: Timer | undefined;
    const running = new Set<AbortController>();
    const giveUp = () => {
      for (const attempt of running) attempt.abort();
    };
    const once = async (address: number) => {
      const attempt = new AbortController();
      running.add(attempt);
      try {
        const { signal } = attempt;
        const message = await this.open(request, { at: address, idleMs: ATTEMPT_MS, signal });
        // It answers; a long answer is no reason to ask for another one.
        beside?.cancel();
        return await read(message);
      } finally {
        // Its connection is kept for the next request.
        running.delete(attempt);
      }
    };
    const timer = this.clock.setTimer(ATTEMPT_MS, giveUp);
    try {
      const first = once(at);
      if (!hedged || this.addresses.length === 1) return await first;
      const next = (at + 1) % this.addresses.length;
      const second = new Promise<T>((resolve, reject) => {
        beside = this.clock.setTimer(HEDGE_MS, () => {
          once(next)
            .then((body) => {
              // Only if nobody else has moved on meanwhile.
              if (this.current === at) this.current = next;
              resolve(body);
            })
            .catch((error: unknown) => {
              if (!isRetried(error)) reject(error);
            });
        });
      });
      return await Promise.race([first, second]);
    } finally {
      timer.cancel();
      beside?.cancel();
      // Of two the one that is not needed any more.
      giveUp();
    }
  }

  /** After `ms`, or a little less, so that clients do not come all at once. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimer(ms * (0.5 + this.random.float() / 2), resolve);
    });
  }

  private headersOf({ id, body, headers = {} }: ApiRequest): { [name: string]: string } {
    const type =
      body === undefined
        ? {}
        : { "content-type": isBytes(body) ? "application/octet-stream" : "application/json" };
    return {
      ...type,
      ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
      ...(id === undefined ? {} : { "idempotency-key": id }),
      ...headers,
    };
  }

  private learn(headers: IncomingHttpHeaders): void {
    const text = headers["atlasnet-leader"];
    const [, term, node] = /^(\d{1,16}) (\S{1,64})$/.exec(String(text ?? "")) ?? [];
    this.known =
      term === undefined || node === undefined ? undefined : { node, term: Number(term) };
  }

  private told(error: unknown): unknown {
    if (error instanceof ControlError || error instanceof ApiError) return error;
    const shown = this.addresses.map((url) => url.origin).join(", ");
    return new ControlError("unreachable", `no apiserver answers at ${shown}`, {
      cause: error,
      hint: "Look whether they run and whether the addresses are right: https where they have TLS, http where not.",
    });
  }
}

function urlOf(base: URL, { path, query = {} }: ApiRequest): URL {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(name, String(value));
  return url;
}

function isBytes(body: unknown): body is () => AsyncIterable<Uint8Array> {
  return typeof body === "function";
}

function bodyOf(body: unknown): string | AsyncIterable<Uint8Array> | undefined {
  if (body === undefined) return undefined;
  if (isBytes(body)) return body();
  return JSON.stringify(body);
}

async function readJson(message: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message) {
    if (!Buffer.isBuffer(chunk)) throw new Error("bytes are read");
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new ControlError("too-large", `an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  return text === "" ? undefined : JSON.parse(text);
}

/** The error that an apiserver answered with. */
export function answeredError(answer: unknown): ControlError | ApiError | undefined {
  if (typeof answer !== "object" || answer === null) return undefined;
  const code = "code" in answer ? String(answer.code) : "";
  const message = "message" in answer ? String(answer.message) : "";
  const hint = "hint" in answer ? String(answer.hint) : undefined;
  if (isControlErrorCode(code))
    return new ControlError(code, message, hint === undefined ? {} : { hint });
  return isApiErrorCode(code) ? new ApiError(code, message, hint) : undefined;
}

function errorOf(status: number, answer: unknown, url: URL): ControlError | ApiError {
  return (
    answeredError(answer) ??
    new ControlError(
      "unreachable",
      `${url.origin} answered with ${status}, and not as an apiserver`,
      {
        hint: "Look what listens there.",
      },
    )
  );
}

export function isRetried(error: unknown): boolean {
  if (error instanceof ControlError) return RETRIED.has(error.code);
  return !(error instanceof ApiError);
}

const REFUSED: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH"]);

/** It never arrived. */
function isRefused(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isRefused);
  return error instanceof Error && "code" in error && REFUSED.has(String(error.code));
}
