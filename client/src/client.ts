import {
  ByteWriter,
  type CompiledDefinition,
  compileDefinition,
  type Definition,
  type StructValue,
  type WorldSpec,
} from "@atlasnet/world";
import { type ClientDependencies, Connection } from "./connection.ts";
import { type MessageObserver, observing } from "./observing.ts";
import { DEFAULT_MAX_QUEUED_BYTES, DEFAULT_MAX_QUEUED_MESSAGES } from "./outbox.ts";
import type { ResumeStorage } from "./resume-storage.ts";
import { ticketClaims } from "./ticket-claims.ts";
import { transportOf } from "./transport.ts";
import type { ClientWorld, JoinOptions, Logger, Untyped } from "./types.ts";

export interface ConnectOptions {
  /**
   * Where a cluster is: `ws://` or `wss://`, in Node also `tcp://`, `tls://` and `udp://`. Of several
   * addresses the first one is tried first. A session learns the other proxies of its cluster from its
   * server, and goes on through one of them when its own is gone.
   */
  url: string | readonly string[];
  /**
   * "auto" moves to UDP once the world was joined over the URL's transport, where servers and network
   * have it, and back when it breaks; in browsers it changes nothing. Default: the URL's transport alone.
   */
  transport?: "auto";
  /**
   * The servers' public key for UDP, base64url of 32 bytes. Default: what the ticket names (claim
   * `serverKey`). One of them is needed for `udp://` addresses that are not of this machine.
   */
  serverKey?: string;
  /** Where sessions are kept over a reload. Default: the tab's `sessionStorage` in browsers. */
  storage?: ResumeStorage;
  /** Default: the console. */
  logger?: Logger;
  /** Reliable messages that may wait for the server. Defaults: 1,024 messages, 1 MiB. */
  maxQueued?: { messages?: number; bytes?: number };
  /** For tools: is shown every message's bytes. Costs nothing when absent. */
  observe?: MessageObserver;
}

/** The client side of AtlasNet: where worlds are joined. */
export interface AtlasNetClient {
  /** Joins a world whose definition is at hand. Rejects with a JoinError. */
  join<S extends WorldSpec>(
    definition: Definition<S>,
    options: JoinOptions<S>,
  ): Promise<ClientWorld<S>>;
  /** Joins a world by name alone; its definition comes with the welcome. */
  join(options: JoinOptions<Untyped>): Promise<ClientWorld<Untyped>>;
  /**
   * Ends every connection without leaving: sessions stay for their grace period, so that a later `join`
   * may return to them.
   */
  close(): void;
}

const DEFAULT_JOIN_TIMEOUT_MS = 10_000;

/** The client over given surroundings; `connect` is this with those of the browser, or of Node. */
export class Client implements AtlasNetClient {
  private readonly options: ConnectOptions;
  private readonly urls: readonly string[];
  private readonly dependencies: ClientDependencies;
  private readonly connections = new Set<Connection>();
  private closed = false;

  constructor(options: ConnectOptions, dependencies: ClientDependencies) {
    this.options = options;
    const { observe, url } = options;
    this.urls = typeof url === "string" ? [url] : [...url];
    if (this.urls.length === 0)
      throw new TypeError("connect({ url }) needs one address at least, as in ws://localhost:2555");
    this.dependencies = observe === undefined ? dependencies : observed(dependencies, observe);
  }

  join<S extends WorldSpec>(
    definition: Definition<S>,
    options: JoinOptions<S>,
  ): Promise<ClientWorld<S>>;
  join(options: JoinOptions<Untyped>): Promise<ClientWorld<Untyped>>;
  async join(
    first: Definition | JoinOptions<Untyped>,
    second?: JoinOptions<WorldSpec>,
  ): Promise<ClientWorld<never>> {
    if (this.closed) throw new Error("this client was closed; connect() makes a new one");
    const definition = "data" in first ? compiled(first) : undefined;
    const options = "data" in first ? second : first;
    if (options === undefined) throw new TypeError("join(definition, { world }) names a world");
    const { params } = options;
    if (definition === undefined && params !== undefined)
      throw new TypeError("params need the definition: join(definition, { world, params })");
    const { maxQueued = {} } = this.options;
    const connection = new Connection(
      {
        urls: this.urls,
        secondPath: this.mayMove,
        world: options.world,
        ticket: options.ticket,
        definition,
        schema: definition?.hash,
        params: definition === undefined ? undefined : packedParams(definition, { ...params }),
        resume: options.resume !== "never",
        // Another player's session is not one to return to.
        storageKey: [this.urls.join(" "), options.world, subjectOf(options.ticket)].join("|"),
        rejoin: options.rejoin ?? true,
        observe: options.observe,
        joinTimeoutMs: options.timeoutMs ?? DEFAULT_JOIN_TIMEOUT_MS,
        maxQueuedMessages: maxQueued.messages ?? DEFAULT_MAX_QUEUED_MESSAGES,
        maxQueuedBytes: maxQueued.bytes ?? DEFAULT_MAX_QUEUED_BYTES,
      },
      this.dependencies,
    );
    const { world } = connection;
    this.connections.add(connection);
    world.onClose(() => this.connections.delete(connection));
    connection.start();
    try {
      await connection.joined;
    } catch (error) {
      this.connections.delete(connection);
      throw error;
    }
    // The names were checked against the spec by the compiler, and are again at every call.
    const view: unknown = world;
    return view as ClientWorld<never>;
  }

  /** UDP is tried beside another transport. */
  private get mayMove(): boolean {
    const { transport } = this.options;
    const { dialUdp } = this.dependencies;
    const isUdp = this.urls.every((url) => transportOf(url) === "udp");
    return transport === "auto" && dialUdp !== undefined && !isUdp;
  }

  close(): void {
    this.closed = true;
    for (const connection of [...this.connections]) connection.stop();
    this.connections.clear();
  }
}

function observed(dependencies: ClientDependencies, observe: MessageObserver): ClientDependencies {
  const { dial, dialUdp } = dependencies;
  return {
    ...dependencies,
    dial: observing(dial, observe),
    ...(dialUdp !== undefined && { dialUdp: observing(dialUdp, observe) }),
  };
}

const compiledDefinitions = new WeakMap<Definition, CompiledDefinition>();

function compiled(definition: Definition): CompiledDefinition {
  let known = compiledDefinitions.get(definition);
  if (known === undefined) {
    known = compileDefinition(definition.data);
    compiledDefinitions.set(definition, known);
  }
  return known;
}

function packedParams(definition: CompiledDefinition, params: StructValue): Uint8Array | undefined {
  if (definition.data.join.length === 0 && Object.keys(params).length === 0) return undefined;
  const writer = new ByteWriter(64);
  definition.join.encode(writer, definition.join.check(params, "params"));
  return writer.finish();
}

/** The account a ticket is for: only to tell saved sessions apart. */
function subjectOf(ticket: string | undefined): string {
  if (ticket === undefined) return "guest";
  // One that cannot be looked into has its session kept under the ticket itself.
  return `=${String(ticketClaims(ticket)?.["sub"] ?? ticket)}`;
}
