import type { Clock, PseudoRandom } from "@atlasnet/core";
import type { HostPort, LinkEndpoint, OpenEndpoint } from "../link/endpoints.ts";
import type { QuicCredentials } from "../transport/credentials.ts";
import type { QuicConnection, QuicConnectionEvents } from "../transport/quic-connection.ts";
import type { QuicEndpointOptions } from "../transport/quic-endpoint.ts";
import { MemoryConnection } from "./memory-connection.ts";
import { type MemoryFaults, MemoryLine, NO_FAULTS } from "./memory-line.ts";

type Accept = (connection: QuicConnection) => QuicConnectionEvents;

/** A network in memory: its endpoints and the lines between them. */
export class MemoryHub {
  readonly faults: MemoryFaults;
  readonly clock: Clock;
  /** Every connection there was, with its ends. */
  private readonly lines = new Map<MemoryLine, MemoryConnection[]>();
  private readonly random: PseudoRandom;
  private readonly endpoints = new Map<number, MemoryEndpoint>();
  private lastPort = 1;

  constructor(
    faults: Partial<MemoryFaults>,
    dependencies: { readonly clock: Clock; readonly random: PseudoRandom },
  ) {
    this.faults = { ...NO_FAULTS, ...faults };
    this.clock = dependencies.clock;
    this.random = dependencies.random;
  }

  readonly open: OpenEndpoint = async (options, { credentials }) => {
    this.lastPort += 1;
    const port = options.port === 0 ? this.lastPort + 40_000 : options.port;
    const endpoint = new MemoryEndpoint({ ...options, port }, credentials, this);
    this.endpoints.set(port, endpoint);
    return endpoint;
  };

  newLine(): { line: MemoryLine; ends: MemoryConnection[] } {
    const line = new MemoryLine(this.faults, { clock: this.clock, random: this.random });
    const ends: MemoryConnection[] = [];
    this.lines.set(line, ends);
    return { line, ends };
  }

  /** Nothing arrives on the connections that stand; after the idle timeout both ends see them as gone. */
  cut(idleTimeoutMs: number): void {
    for (const [line, ends] of this.lines)
      line.cut(idleTimeoutMs, () => {
        for (const end of ends) end.finish({ by: "idle", code: 0, reason: "" });
      });
  }

  /** What the cut held back arrives, on connections that still stand. */
  heal(): void {
    for (const line of this.lines.keys()) line.heal();
  }

  at(port: number): MemoryEndpoint | undefined {
    return this.endpoints.get(port);
  }

  forget(port: number): void {
    this.endpoints.delete(port);
  }
}

export class MemoryEndpoint implements LinkEndpoint {
  readonly address: HostPort;
  readonly stats = undefined;
  readonly connections = new Set<MemoryConnection>();
  private readonly options: QuicEndpointOptions;
  private readonly hub: MemoryHub;
  private credentials: QuicCredentials;
  private accept: Accept | undefined;

  constructor(options: QuicEndpointOptions, credentials: QuicCredentials, hub: MemoryHub) {
    this.options = options;
    this.address = { host: "127.0.0.1", port: options.port };
    this.credentials = credentials;
    this.hub = hub;
  }

  connect(
    to: HostPort,
    events: (connection: QuicConnection) => QuicConnectionEvents,
  ): MemoryConnection {
    const { line, ends } = this.hub.newLine();
    const { maxStreams = 16 } = this.options;
    const near = new MemoryConnection(
      { remote: `${to.host}:${to.port}`, dialler: true, maxStreams },
      line,
    );
    this.connections.add(near);
    ends.push(near);
    near.listen(events(near));
    line.carry(near, "handshake", () => {
      const endpoint = this.hub.at(to.port);
      const accept = endpoint?.accept;
      if (endpoint === undefined || accept === undefined) {
        this.hub.clock.setTimer(this.options.handshakeTimeoutMs ?? 1000, () =>
          near.finish({ by: "unreachable", code: 0, reason: "no answer to the first packets" }),
        );
        return;
      }
      const remote = `${this.address.host}:${this.address.port}`;
      const far = new MemoryConnection({ remote, dialler: false, maxStreams }, line);
      endpoint.connections.add(far);
      ends.push(far);
      near.other = far;
      far.other = near;
      far.listen(accept(far));
      far.establish([Buffer.from(this.credentials.certificate)]);
      line.carry(far, "handshake", () =>
        near.establish([Buffer.from(endpoint.credentials.certificate)]),
      );
    });
    return near;
  }

  listen(accept: Accept | undefined): void {
    this.accept = accept;
  }

  setCredentials(credentials: QuicCredentials): void {
    this.credentials = credentials;
  }

  async close(): Promise<void> {
    this.accept = undefined;
    for (const connection of this.connections) connection.close(0, "");
    this.hub.forget(this.address.port);
  }
}
