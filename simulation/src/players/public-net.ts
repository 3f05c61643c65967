import type { SimProcess } from "@atlasnet/apiserver/sim";
import type { Transport, TransportHandlers } from "@atlasnet/client";
import type { SeededRandom, SimClock } from "@atlasnet/core/sim";
import type { SimProxy } from "../nodes/sim-proxy.ts";
import { SimSocket } from "./sim-socket.ts";

export interface PublicNetOptions {
  /** One way, at most. */
  readonly delayMs: number;
}

export interface ProxyHost {
  readonly process: SimProcess;
  readonly proxy: SimProxy;
}

/** Nobody answers: the connection cannot be made. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A part of the proxies that die takes the machine with it: nobody says that the connection is gone. */
const SILENT_DEATHS = 0.3;

/** The network between clients and proxies: connections with delay, cuts that hold them up, and their ends. */
export class PublicNet {
  private readonly options: PublicNetOptions;
  private readonly clock: SimClock;
  private readonly random: SeededRandom;
  private readonly proxies = new Map<string, ProxyHost>();
  private readonly sockets = new Set<SimSocket>();
  private readonly cuts = new Set<string>();
  private addresses = 0;

  constructor(
    options: PublicNetOptions,
    dependencies: { readonly clock: SimClock; readonly random: SeededRandom },
  ) {
    this.options = options;
    this.clock = dependencies.clock;
    this.random = dependencies.random;
  }

  serve(host: ProxyHost): void {
    this.proxies.set(host.proxy.id, host);
  }

  /** A client opens a connection to the proxy of that name. */
  dial(
    from: { readonly client: string; readonly process: SimProcess },
    proxy: string,
    handlers: TransportHandlers,
  ): Transport {
    this.addresses += 1;
    const socket: SimSocket = new SimSocket(
      {
        client: from.client,
        proxy,
        remoteAddress: `10.0.${this.addresses >> 8}.${this.addresses & 255}`,
      },
      {
        clock: this.clock,
        clientProcess: from.process,
        delay: () => this.delay(),
        isCut: () => this.cuts.has(`${from.client} ${proxy}`),
        handlers,
        ended: () => this.sockets.delete(socket),
      },
    );
    this.sockets.add(socket);
    this.clock.setTimer(this.delay(), () => {
      const host = this.proxies.get(proxy);
      if (host === undefined || this.cuts.has(`${from.client} ${proxy}`))
        this.clock.setTimer(CONNECT_TIMEOUT_MS, () => socket.refuse("no answer"));
      else host.process.run(() => socket.accept(host));
    });
    return socket.transport;
  }

  /** The proxy's process is gone, and with it all its connections. */
  died(proxy: string): void {
    this.proxies.delete(proxy);
    const isSilent = this.random.float() < SILENT_DEATHS;
    for (const socket of [...this.sockets]) if (socket.proxy === proxy) socket.proxyDied(isSilent);
  }

  clientDied(client: string): void {
    for (const socket of [...this.sockets]) if (socket.client === client) socket.clientDied();
  }

  cut(client: string, proxy: string): void {
    this.cuts.add(`${client} ${proxy}`);
  }

  heal(client: string, proxy: string): void {
    this.cuts.delete(`${client} ${proxy}`);
    this.revive();
  }

  healAll(): void {
    this.cuts.clear();
    this.revive();
  }

  /** The most bytes that the network had not taken when a proxy wrote more to a client. */
  get largestBacklog(): number {
    let largest = 0;
    for (const socket of this.sockets) largest = Math.max(largest, socket.fullestBytes);
    return largest;
  }

  private revive(): void {
    for (const socket of this.sockets) socket.revive();
  }

  private delay(): number {
    return 0.1 + this.random.float() * this.options.delayMs;
  }
}
