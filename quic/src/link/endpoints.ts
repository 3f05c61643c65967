import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Clock, Logger } from "@atlasnet/core";
import type { QuicCredentials } from "../transport/credentials.ts";
import type { QuicEndpointStats } from "../transport/endpoint-stats.ts";
import type { QuicConnection, QuicConnectionEvents } from "../transport/quic-connection.ts";
import { QuicEndpoint, type QuicEndpointOptions } from "../transport/quic-endpoint.ts";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** What links need of an endpoint; tests have one in memory. */
export interface LinkEndpoint {
  readonly address: HostPort;
  readonly stats: QuicEndpointStats | undefined;
  connect(
    to: HostPort,
    events: (connection: QuicConnection) => QuicConnectionEvents,
  ): QuicConnection;
  listen(accept: ((connection: QuicConnection) => QuicConnectionEvents) | undefined): void;
  setCredentials(credentials: QuicCredentials): void;
  close(): Promise<void>;
}

export type OpenEndpoint = (
  options: QuicEndpointOptions,
  dependencies: {
    readonly credentials: QuicCredentials;
    readonly clock: Clock;
    readonly logger: Logger;
  },
) => Promise<LinkEndpoint>;

/** The real one. */
export const openQuicEndpoint: OpenEndpoint = (options, dependencies) =>
  QuicEndpoint.open(options, dependencies);

/**
 * The sockets of a node: the one it listens at, and for dialling one for each kind of address it dials
 * (IPv4 or IPv6, this machine or others), so that nobody has to say which network cards lead where.
 */
export class Endpoints {
  private readonly open: (host: string, port: number) => Promise<LinkEndpoint>;
  private readonly dialling = new Map<string, Promise<LinkEndpoint>>();
  private readonly all = new Set<LinkEndpoint>();
  private listener: Promise<LinkEndpoint> | undefined;
  private isStopped = false;
  /** Set once it listens. */
  address: HostPort | undefined;

  constructor(open: (host: string, port: number) => Promise<LinkEndpoint>) {
    this.open = open;
  }

  get stats(): readonly QuicEndpointStats[] {
    return [...this.all].flatMap(({ stats }) => stats ?? []);
  }

  /** The socket to dial an address from. @throws OperatingError when it cannot be opened. */
  dialler(address: string): Promise<LinkEndpoint> {
    const from = dialHost(address);
    const known = this.dialling.get(from);
    if (known !== undefined) return known;
    const opening = this.take(from, 0);
    this.dialling.set(from, opening);
    // What failed once may work the next time.
    opening.catch(() => this.dialling.delete(from));
    return opening;
  }

  /** The socket to listen at; the same one when it is asked for again. @throws OperatingError */
  async listening(at: HostPort): Promise<LinkEndpoint> {
    this.listener ??= this.take(at.host, at.port);
    try {
      const endpoint = await this.listener;
      this.address = endpoint.address;
      return endpoint;
    } catch (error) {
      this.listener = undefined;
      throw error;
    }
  }

  setCredentials(credentials: QuicCredentials): void {
    for (const endpoint of this.all) endpoint.setCredentials(credentials);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    const opening = [...this.dialling.values(), this.listener];
    await Promise.allSettled(opening);
    await Promise.all([...this.all].map((endpoint) => endpoint.close()));
    this.all.clear();
  }

  private async take(host: string, port: number): Promise<LinkEndpoint> {
    if (this.isStopped) throw new Error("the links of this node are stopped");
    const endpoint = await this.open(host, port);
    this.all.add(endpoint);
    return endpoint;
  }
}

/** The address of a host by its name, IPv4 where there is one. @throws what the resolver says. */
export async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  const found = await lookup(host, { all: true });
  const best = found.find(({ family }) => family === 4) ?? found[0];
  if (best === undefined) throw new Error(`the host name ${host} has no address`);
  return best.address;
}

/** The local address that reaches an address. */
function dialHost(address: string): string {
  if (isIP(address) === 6) return address === "::1" ? "::1" : "::";
  return address.startsWith("127.") ? "127.0.0.1" : "0.0.0.0";
}
