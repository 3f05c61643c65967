import type {
  Clock,
  LinkNetwork,
  Logger,
  PlacementView,
  Random,
  TicketKeys,
  UdpEndpoint,
} from "@atlasnet/core";
import type { Meter, Tracer } from "@opentelemetry/api";
import type { ClientConnection } from "../gateway/client-connection.ts";
import type { UdpPlace } from "../gateway/udp/udp-gateway.ts";
import type { ProxyLimits } from "../limits.ts";
import type { ProxyCounters } from "../metrics.ts";
import type { Carrier } from "./visitor.ts";

export interface ProxyOptions {
  /** This proxy's node id. */
  node: string;
  /** Node ids of the gameservers that a link is kept to; default: none, links are opened on demand. */
  peers?: readonly string[];
  host: string;
  /** 0 lets the system choose; see `addresses`. */
  port: number;
  /** False: no port is opened, and connections are handed in with `admit`. Default true. */
  listens?: boolean;
  /** PEM texts; absent: TLS is refused. */
  tls?: { cert: string; key: string };
  allowGuests: boolean;
  /** Addresses of all proxies of the cluster, told to clients. */
  endpoints: readonly string[];
  limits: ProxyLimits;
  /** Absent: no UDP. */
  udp?: ProxyUdpOptions;
  /** One in so many reliable messages of clients is traced to its tick; 0, the default: none. */
  sampleOneIn?: number;
}

export interface ProxyUdpOptions {
  /** 32 bytes, an X25519 key; clients know its public part. */
  privateKey: Uint8Array;
  /** Default: the number of the TCP port. 0 lets the system choose. */
  port?: number | undefined;
  /** Handshakes computed per second, of all addresses; the rest is dropped and tried again. */
  handshakesPerSecond: number;
}

export interface ProxyDependencies {
  links: LinkNetwork;
  /** Where worlds are; default: where the peers say that they are. */
  placements?: PlacementView;
  keys: TicketKeys;
  clock: Clock;
  random: Random;
  logger: Logger;
  meter: Meter;
  /** Spans of attaches and of messages; default: none. */
  tracer?: Tracer;
}

/** A client's connection together with what brings its bytes. */
export type CarriedConnection = ClientConnection & Carrier;

export type ProxyReadiness = { ok: true } | { ok: false; reason: string };

/** Where clients come in. */
export interface ProxyService {
  /** Listens. @throws OperatingError when the port cannot be had or the certificate is not one. */
  start(): Promise<void>;
  /** Resolves once it is known where the worlds are (every peer said what it hosts), or the proxy is stopped. */
  heard(): Promise<void>;
  /** Whether it is known where the worlds are; with peers, which one was not heard yet. For the health check. */
  ready(): ProxyReadiness;
  /**
   * Takes nobody in any more, and waits at most `deadlineMs` for everybody to go: players to other proxies, a few at a
   * time, where `endpoints` names any; who is left is closed.
   */
  drain(deadlineMs: number): Promise<void>;
  /** Cuts every connection and frees the port; the links of this proxy are closed. */
  stop(): Promise<void>;
  /** Takes in a connection that did not come through a port of this proxy. Undefined: there is no room for it. */
  admit(connection: CarriedConnection): UdpPlace | undefined;
  /** Listening addresses, `host:port`; empty before `start`. */
  readonly addresses: readonly string[];
  /** Where UDP is taken; undefined before `start`, or when it is not. */
  readonly udpEndpoint: UdpEndpoint | undefined;
  readonly counters: Readonly<ProxyCounters>;
}
