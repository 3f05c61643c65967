import { EventEmitter } from "node:events";
import Consul from "consul";
import { consulError } from "../consul-error.ts";
import {
  bodyOf,
  conflictOf,
  field,
  isNotFound,
  type KvItem,
  kvItem,
  type ServiceEntry,
  serviceEntry,
  textField,
} from "./answers.ts";
import { connections } from "./connections.ts";

export interface ConsulAgentOptions {
  /** As in http://127.0.0.1:8500. */
  readonly address: string;
  readonly token?: string;
  /** PEM certificates that an agent's certificate is checked with, in place of the system's. */
  readonly ca?: string;
}

/** What was read, and the index that a blocking read waits behind. */
export interface Read<T> {
  readonly index: number;
  readonly value: T;
}

export interface ReadOptions {
  /** Consul asks a quorum of its servers, so that no deposed leader answers. */
  readonly consistent?: boolean;
  /** Answers only once something has changed behind this index, or after `waitMs`. */
  readonly index?: number;
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/** Operations of Consul's transactions; at most MAX_OPERATIONS of them. */
export type KvOperation =
  | { readonly verb: "set"; readonly key: string; readonly value: Uint8Array }
  | {
      readonly verb: "cas";
      readonly key: string;
      readonly value: Uint8Array;
      readonly index: number;
    }
  | { readonly verb: "get" | "delete" | "delete-tree"; readonly key: string };

export type KvTxnResult =
  | { readonly ok: true; readonly items: readonly KvItem[] }
  /** Nothing was applied. */
  | { readonly ok: false; readonly problem: string };

export interface ServiceRegistration {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: { readonly [name: string]: string };
  readonly ttlMs: number;
  /** Consul forgets the service once it was failing for so long. */
  readonly forgetMs: number;
}

/** Of Consul 1.8. */
export const MAX_OPERATIONS = 64;
/** Longest wait for an answer that nothing holds up. */
const TIMEOUT_MS = 10_000;

/**
 * A Consul agent's HTTP API, as far as it is used here, by way of the package `consul`. Every request ends:
 * with an answer, with the time-out, or with its signal.
 *
 * All methods reject with ConsulError.
 */
export class ConsulAgent {
  readonly address: string;
  private readonly client: Consul;

  constructor({ address, token, ca }: ConsulAgentOptions) {
    const url = new URL(address);
    this.address = address;
    const secure = url.protocol === "https:";
    this.client = new Consul({
      host: url.hostname,
      port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
      secure,
      agent: connections(secure, ca),
      ...(token !== undefined && { defaults: { token } }),
    });
  }

  /** Closes idle connections. Requests go on until their signal ends them. */
  close(): void {
    this.client.destroy();
  }

  async get(key: string, options: ReadOptions = {}): Promise<Read<KvItem | undefined>> {
    return await this.read(`read ${key}`, options, (common) => {
      const request = { key, buffer: true, ...common };
      return this.client.kv.get(request);
    }).then(({ index, value }) => ({ index, value: kvItem(value) }));
  }

  /** Keys below a prefix. */
  async keys(prefix: string): Promise<readonly string[]> {
    const found = await this.call(`list ${prefix}`, {}, (common) =>
      this.client.kv.keys({ key: prefix, ...common }).catch((error: unknown) => {
        if (isNotFound(error)) return [];
        throw error;
      }),
    );
    return Array.isArray(found) ? found.filter((key) => typeof key === "string") : [];
  }

  async set(key: string, value: Uint8Array): Promise<void> {
    await this.call(`write ${key}`, {}, (common) => {
      const request = { key, value: Buffer.from(value), ...common };
      return this.client.kv.set(request);
    });
  }

  /** True: the session holds the key now. */
  async acquire(key: string, session: string, value: string): Promise<boolean> {
    return (
      (await this.call(`acquire ${key}`, {}, (common) =>
        this.client.kv.set({ key, value, acquire: session, ...common }),
      )) === true
    );
  }

  async deleteTree(prefix: string): Promise<void> {
    await this.call(`delete ${prefix}`, {}, (common) =>
      this.client.kv.del({ key: prefix, recurse: true, ...common }),
    );
  }

  /** All or nothing. Rejects also when nobody knows whether it was applied. */
  async txn(operations: readonly KvOperation[]): Promise<KvTxnResult> {
    const body = operations.map((operation) => ({
      KV: {
        Verb: operation.verb,
        Key: operation.key,
        ...("value" in operation && { Value: Buffer.from(operation.value).toString("base64") }),
        ...("index" in operation && { Index: operation.index }),
      },
    }));
    // The package's types want lower-case names, which Consul takes, and no wrapper, which it needs.
    const operationsOfPackage: never[] = [];
    try {
      const answer: unknown = await this.call("transaction", {}, (common) =>
        this.client.transaction.create(Object.assign(operationsOfPackage, body), {
          ...common,
          operations: [],
        }),
      );
      const results = field(answer, "Results");
      const items = (Array.isArray(results) ? results : []).flatMap((result) => {
        const item = kvItem(field(result, "KV"));
        return item === undefined ? [] : [item];
      });
      return { ok: true, items };
    } catch (error) {
      const problem = conflictOf(error);
      if (problem === undefined) throw error;
      return { ok: false, problem };
    }
  }

  async createSession(name: string, ttlMs: number): Promise<string> {
    const made: unknown = await this.call("create a session", {}, (common) =>
      this.client.session.create({
        name,
        ttl: `${ttlMs}ms`,
        behavior: "release",
        // Leadership is fenced by the log itself: nobody has to wait for a leader of before.
        lockdelay: "0s",
        ...common,
      }),
    );
    return textField(made, "ID") ?? "";
  }

  /** False: there is no such session any more. */
  async renewSession(id: string, signal?: AbortSignal): Promise<boolean> {
    return await this.call("renew a session", signal === undefined ? {} : { signal }, (common) =>
      this.client.session.renew({ id, ...common }).then(
        () => true,
        (error: unknown) => {
          if (isNotFound(error)) return false;
          throw error;
        },
      ),
    );
  }

  async destroySession(id: string): Promise<void> {
    await this.call("end a session", {}, (common) =>
      this.client.session.destroy({ id, ...common }),
    );
  }

  /** The address under which the agent's node is known to others. */
  async nodeAddress(): Promise<string | undefined> {
    const self: unknown = await this.call("ask for its address", {}, (common) => {
      const request = { ...common };
      return this.client.agent.self(request);
    });
    return textField(field(self, "Member"), "Addr");
  }

  async register(service: ServiceRegistration): Promise<void> {
    await this.call(`register ${service.id}`, {}, (common) =>
      this.client.agent.service.register({
        id: service.id,
        name: service.name,
        ...(service.address !== "" && { address: service.address }),
        port: service.port,
        tags: [...service.tags],
        meta: { ...service.meta },
        check: {
          name: `${service.id}: /ready`,
          ttl: `${service.ttlMs}ms`,
          timeout: "",
          deregistercriticalserviceafter: `${service.forgetMs}ms`,
        },
        ...common,
      }),
    );
  }

  async deregister(id: string): Promise<void> {
    await this.call(`deregister ${id}`, {}, (common) =>
      this.client.agent.service.deregister({ id, ...common }),
    );
  }

  /** Says how a service is. False: the agent does not know it (any more). */
  async report(id: string, ok: boolean, note: string): Promise<boolean> {
    const check = `service:${id}`;
    return await this.call(`report on ${id}`, {}, (common) => {
      const request = { id: check, note, ...common };
      const done = ok
        ? this.client.agent.check.pass(request)
        : this.client.agent.check.fail(request);
      return done.then(
        () => true,
        (error: unknown) => {
          // Consul 1.8 says 500 to a check it does not know, newer ones 404.
          if (
            isNotFound(error) ||
            /(unknown check|not associated|does not have)/i.test(bodyOf(error))
          )
            return false;
          throw error;
        },
      );
    });
  }

  async services(
    name: string,
    tag: string | undefined,
    options: ReadOptions = {},
  ): Promise<Read<readonly ServiceEntry[]>> {
    const { index, value } = await this.read(`find ${name}`, options, (common) =>
      this.client.health.service({ service: name, ...(tag !== undefined && { tag }), ...common }),
    );
    return { index, value: (Array.isArray(value) ? value : []).flatMap(serviceEntry) };
  }

  /** A read that may block; its answer comes with the index of Consul's header. */
  private async read(
    what: string,
    { consistent = false, index, waitMs = 0, signal }: ReadOptions,
    request: (common: object) => Promise<unknown>,
  ): Promise<Read<unknown>> {
    const blocking = index !== undefined && index > 0;
    const answer = await this.call(
      what,
      {
        // Consul adds a sixteenth by chance to the wait.
        timeoutMs: TIMEOUT_MS + (blocking ? waitMs * 1.1 : 0),
        withResponse: true,
        ...(signal !== undefined && { signal }),
      },
      (common) =>
        request({
          ...common,
          ...(consistent && { consistent: true }),
          ...(blocking && { index: String(index), wait: `${Math.ceil(waitMs)}ms` }),
        }),
    );
    const [response, value] = Array.isArray(answer) ? answer : [];
    const header = textField(field(response, "headers"), "x-consul-index");
    return { index: Number(header ?? 0), value };
  }

  private async call<T>(
    what: string,
    options: { timeoutMs?: number; withResponse?: boolean; signal?: AbortSignal },
    request: (common: object) => Promise<T>,
  ): Promise<T> {
    const { timeoutMs = TIMEOUT_MS, withResponse = false, signal } = options;
    signal?.throwIfAborted();
    // The package listens to this one for "cancel", and reads from it that the response is wanted.
    const ctx = Object.assign(new EventEmitter(), { includeResponse: withResponse });
    const cancel = () => ctx.emit("cancel");
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      return await request({ timeout: timeoutMs, ctx });
    } catch (error) {
      signal?.throwIfAborted();
      throw consulError(what, this.address, error);
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }
}
