import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Clock } from "@atlasnet/core";
import { type HostPort, listenError } from "./address.ts";
import type { LineOptions } from "./line.ts";
import { type FlowStats, newFlowStats } from "./stats.ts";
import { TcpPipe } from "./tcp-pipe.ts";

/**
 * TCP connections between clients and a target, over a bad line. The line carries data and ends; that
 * a connection is opened costs nothing, and a client that connects during a cut is connected to the relay.
 */
export class TcpRelay {
  readonly stats: FlowStats = newFlowStats();
  private readonly options: LineOptions;
  private readonly clock: Clock;
  private readonly flows = new Set<{ stop(): void; breakOff(): void }>();
  private server: Server | undefined;
  private bound: HostPort | undefined;

  constructor(options: LineOptions, { clock }: { clock: Clock }) {
    this.options = options;
    this.clock = clock;
  }

  /** @throws OperatingError when it cannot listen. */
  async start(): Promise<HostPort> {
    if (this.bound !== undefined) return this.bound;
    const { listen } = this.options;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
      this.accept(client),
    );
    try {
      server.listen(listen.port, listen.host);
      await once(server, "listening");
    } catch (cause) {
      throw listenError("tcp", listen, cause);
    }
    server.on("error", () => this.failed());
    this.server = server;
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : listen.port;
    this.bound = { host: listen.host, port };
    return this.bound;
  }

  /** Both sides of every connection are told that it broke, at once; what was on the way is lost. */
  breakConnections(): void {
    for (const flow of this.flows) flow.breakOff();
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    this.bound = undefined;
    for (const flow of this.flows) flow.stop();
    this.flows.clear();
    this.stats.flows = 0;
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    await closed;
  }

  private accept(client: Socket): void {
    const { target, limits, conditions } = this.options;
    if (this.flows.size >= limits.maxFlows) {
      this.stats.refused += 1;
      client.resetAndDestroy();
      return;
    }
    const server = connect({
      host: target.host,
      port: target.port,
      allowHalfOpen: true,
      noDelay: true,
    });
    const flow = this.stats.opened++;
    const pipe = (from: Socket, to: Socket, direction: "up" | "down") =>
      new TcpPipe(
        {
          from,
          to,
          path: { flow, direction },
          stats: this.stats[direction],
          conditions: () => conditions()[direction],
          limits,
        },
        { clock: this.clock },
      );
    const pipes = [pipe(client, server, "up"), pipe(server, client, "down")];
    const entry = {
      stop: () => {
        for (const one of pipes) one.stop();
        client.destroy();
        server.destroy();
      },
      breakOff: () => {
        for (const one of pipes) one.stop();
        client.resetAndDestroy();
        server.resetAndDestroy();
      },
    };
    this.flows.add(entry);
    this.stats.flows = this.flows.size;
    for (const socket of [client, server]) {
      socket.on("error", () => this.failed());
      socket.once("close", () => {
        if (!client.destroyed || !server.destroyed || !this.flows.delete(entry)) return;
        this.stats.flows = this.flows.size;
      });
    }
  }

  private failed(): void {
    this.stats.socketErrors += 1;
  }
}
