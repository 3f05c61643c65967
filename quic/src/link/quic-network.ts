import {
  type Clock,
  DEFAULT_LINK_LIMITS,
  LINK_VERSIONS,
  type Link,
  LinkError,
  type LinkLimits,
  type LinkListener,
  type LinkNetwork,
  LinkStats,
  type LinkVersions,
  type Logger,
  type Peer,
  type SecureRandom,
} from "@atlasnet/core";
import type { VerifyPeer } from "@atlasnet/identity";
import type { QuicCredentials } from "../transport/credentials.ts";
import type { QuicEndpointStats } from "../transport/endpoint-stats.ts";
import type { QuicConnection } from "../transport/quic-connection.ts";
import {
  addressOf,
  Endpoints,
  type HostPort,
  type LinkEndpoint,
  type OpenEndpoint,
  openQuicEndpoint,
} from "./endpoints.ts";
import { BOOT_BYTES } from "./greeting.ts";
import { MAX_PEER_STREAMS, SCRATCH_BYTES } from "./link-bounds.ts";
import { type LinkFigures, linkFigures } from "./link-figures.ts";
import { LinkSession, type SessionOwner } from "./link-session.ts";
import { acceptingOwner, diallingOwner, Sessions } from "./sessions.ts";

export interface QuicNetworkOptions {
  /** Who this node is; its certificate says the same. */
  readonly self: Peer;
  /** Roles this node takes links from and opens links to. */
  readonly accepts: readonly Peer["role"][];
  /** Where `listen` takes links; port 0 is any free one. */
  readonly host: string;
  readonly port: number;
  /** Nothing heard for so long: the peer is gone. */
  readonly idleTimeoutMs: number;
  /** Largest UDP payload that is tried. */
  readonly maxPacketBytes: number;
  /** Rate of all `bulk` channels of a link together. */
  readonly bulkBytesPerSecond: number;
  readonly limits?: Partial<LinkLimits>;
  /** From the first packet to the open link, on both sides. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Connections taken in at a time; more are refused. Default 1,024. */
  readonly maxConnections?: number;
  /** For the peer's logs, at most 64 bytes. Default "atlasnet". */
  readonly software?: string;
  /** Link versions it speaks; all of them unless a test says otherwise. */
  readonly versions?: LinkVersions;
}

export interface QuicNetworkDependencies {
  readonly credentials: QuicCredentials;
  readonly verifyPeer: VerifyPeer;
  /** Where a node takes links, and as what it must prove itself; undefined: unknown. */
  readonly lookup: (node: string) => (HostPort & { readonly role: Peer["role"] }) | undefined;
  readonly clock: Clock;
  readonly random: SecureRandom;
  readonly logger: Logger;
  /** Unix time in ms, for certificates. */
  readonly now: () => number;
  /** Default: QUIC over a UDP socket. */
  readonly openEndpoint?: OpenEndpoint;
  /** A handler of a channel threw. Default: the error surfaces as an uncaught exception. */
  readonly fault?: (error: unknown) => void;
}

export const DEFAULT_CONNECT_TIMEOUT_MS = 5000;
export const DEFAULT_MAX_CONNECTIONS = 1024;

/**
 * Links over QUIC: docs/links.md has their wire format.
 *
 * 1. A link is handed out when both sides found the other's certificate and version good.
 * 2. There is one link per node: a newer one takes the older's place, which closes as `peer-gone`.
 * 3. A handler that throws is a fault of the process: the error surfaces as an uncaught exception, and
 *    should the process survive it, deliveries go on behind the message that failed.
 */
export class QuicNetwork implements LinkNetwork {
  readonly stats = new LinkStats();
  private readonly options: QuicNetworkOptions;
  private readonly deps: QuicNetworkDependencies;
  private readonly limits: LinkLimits;
  private readonly versions: LinkVersions;
  private readonly connectTimeoutMs: number;
  private readonly endpoints: Endpoints;
  private readonly boot: Uint8Array;
  private readonly scratch = new Uint8Array(SCRATCH_BYTES);
  private readonly sessions: Sessions;
  private readonly dials = new Map<string, Promise<Link>>();
  private credentials: QuicCredentials;
  private handler: ((link: Link) => void) | undefined;
  private dialCount = 0;
  private stopping: Promise<void> | undefined;

  constructor(options: QuicNetworkOptions, dependencies: QuicNetworkDependencies) {
    this.options = options;
    this.deps = dependencies;
    this.limits = { ...DEFAULT_LINK_LIMITS, ...options.limits };
    this.versions = options.versions ?? LINK_VERSIONS;
    this.connectTimeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
    this.credentials = dependencies.credentials;
    this.sessions = new Sessions(options.self.node, dependencies);
    this.boot = dependencies.random.bytes(BOOT_BYTES);
    this.endpoints = new Endpoints((host, port) => this.openEndpoint(host, port));
  }

  /** Where it listens; undefined before. */
  get address(): HostPort | undefined {
    return this.endpoints.address;
  }

  /** Figures of each open link, for metrics. */
  get links(): readonly LinkFigures[] {
    return this.sessions.links.map(linkFigures);
  }

  /** Of each socket, for metrics. */
  get endpointStats(): readonly QuicEndpointStats[] {
    return this.endpoints.stats;
  }

  /**
   * Opens a link. While one is being opened to the same node, that one is given.
   * @throws LinkError "unreachable" when the node is not known, does not answer in time or goes away
   *   meanwhile, "refused" when one side does not want the other; the message says why.
   * @throws OperatingError when there is no socket to dial from ("quic-unavailable", "bad-credentials").
   */
  connect(node: string): Promise<Link> {
    const known = this.dials.get(node);
    if (known !== undefined) return known;
    const dialling = this.dial(node).finally(() => this.dials.delete(node));
    this.dials.set(node, dialling);
    return dialling;
  }

  /** @throws LinkError "already-listening"; OperatingError when the address cannot be listened at. */
  async listen(handler: (link: Link) => void): Promise<LinkListener> {
    const { self, host, port } = this.options;
    if (this.handler !== undefined)
      throw new LinkError("already-listening", `node ${self.node} listens already`, self.node);
    this.handler = handler;
    try {
      const endpoint = await this.endpoints.listening({ host, port });
      endpoint.listen((connection) => this.takeIn(connection));
      return {
        close: async () => {
          if (this.handler !== handler) return;
          this.handler = undefined;
          endpoint.listen(undefined);
        },
      };
    } catch (error) {
      this.handler = undefined;
      throw error;
    }
  }

  /** A renewed certificate, for connections that begin from now on. @throws OperatingError "bad-credentials" */
  setCredentials(credentials: QuicCredentials): void {
    this.endpoints.setCredentials(credentials);
    this.credentials = credentials;
  }

  /** Closes every link with `closed`, then the sockets. Idempotent. */
  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  private async end(): Promise<void> {
    this.handler = undefined;
    this.sessions.closeAll();
    await this.endpoints.stop();
  }

  private async openEndpoint(host: string, port: number): Promise<LinkEndpoint> {
    const { idleTimeoutMs, maxPacketBytes, maxConnections } = this.options;
    const { clock, logger, openEndpoint = openQuicEndpoint } = this.deps;
    const { credentials } = this;
    const endpoint = await openEndpoint(
      {
        host,
        port,
        idleTimeoutMs,
        maxPacketBytes,
        maxConnections: maxConnections ?? DEFAULT_MAX_CONNECTIONS,
        maxStreams: MAX_PEER_STREAMS,
        handshakeTimeoutMs: this.connectTimeoutMs,
      },
      { credentials, clock, logger },
    );
    // Renewed meanwhile.
    if (this.credentials !== credentials) endpoint.setCredentials(this.credentials);
    return endpoint;
  }

  private async dial(node: string): Promise<Link> {
    const { self, accepts } = this.options;
    const to = this.deps.lookup(node);
    const unreachable = (why: string) => new LinkError("unreachable", `node ${node}: ${why}`, node);
    if (node === self.node)
      throw unreachable(
        "that is this very node: links.peers names gameservers, and each process has a node.id of its own",
      );
    if (to === undefined)
      throw unreachable(
        "its address is not known here: is it among links.peers, and spelt like this?",
      );
    if (!accepts.includes(to.role))
      throw new LinkError(
        "refused",
        `node ${node}: a ${self.role} opens no links to a ${to.role}`,
        node,
      );
    if (this.stopping !== undefined) throw unreachable("the links of this node are stopped");
    const host = await addressOf(to.host).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw unreachable(`its address cannot be found: ${why}: check ${to.host} in links.peers`);
    });
    const endpoint = await this.endpoints.dialler(host);
    if (this.stopping !== undefined) throw unreachable("the links of this node are stopped");
    this.dialCount += 1;
    const dial = this.dialCount;
    const wanted = { node, role: to.role };
    return new Promise((resolve, reject) => {
      const owner = diallingOwner(this.sessions, { dial, node, resolve, reject });
      endpoint.connect({ host, port: to.port }, (connection) =>
        this.session(connection, owner, dial, wanted),
      );
    });
  }

  private takeIn(connection: QuicConnection): LinkSession {
    const logger = this.deps.logger.child({ remote: connection.remote });
    const owner = acceptingOwner(this.sessions, {
      logger,
      take: (link) => {
        const { handler } = this;
        // Closed while the peer was on its way in.
        if (handler === undefined)
          link.close({ code: "refused", detail: "takes no links any more" });
        else this.guard(() => handler(link));
      },
    });
    return this.session(connection, owner, 0, undefined);
  }

  private session(
    connection: QuicConnection,
    owner: SessionOwner,
    dial: number,
    wanted: Peer | undefined,
  ): LinkSession {
    const { self, accepts, bulkBytesPerSecond, software = "atlasnet" } = this.options;
    const { limits, versions, boot, stats, scratch } = this;
    const session = new LinkSession(
      {
        meeting: { self, accepts, versions, wanted, remote: connection.remote },
        hello: {
          versions,
          role: self.role,
          node: self.node,
          boot,
          dial,
          software,
          maxQueuedBytes: limits.maxQueuedBytes,
          maxChannels: limits.maxChannels,
          maxDatagramBytes: limits.maxDatagramBytes,
        },
        limits,
        bulkBytesPerSecond,
        handshakeTimeoutMs: this.connectTimeoutMs,
      },
      {
        connection,
        verifyPeer: this.deps.verifyPeer,
        now: this.deps.now,
        clock: this.deps.clock,
        stats,
        scratch,
        soon: queueMicrotask,
        fault: (error) => this.fault(error),
        owner,
      },
    );
    this.sessions.add(session);
    return session;
  }

  private guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.fault(error);
    }
  }

  private fault(error: unknown): void {
    const { fault } = this.deps;
    if (fault !== undefined) fault(error);
    else
      queueMicrotask(() => {
        throw error;
      });
  }
}
