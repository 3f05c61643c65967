import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Clock, Timer } from "@atlasnet/core";
import { type HostPort, listenError } from "./address.ts";
import type { LineOptions } from "./line.ts";
import type { Direction } from "./model/draw.ts";
import { DueQueue } from "./model/due-queue.ts";
import { type FlowStats, newFlowStats } from "./stats.ts";
import { UdpFlow } from "./udp-flow.ts";

interface Held {
  readonly flow: UdpFlow;
  readonly direction: Direction;
  readonly bytes: Uint8Array;
}

/**
 * Datagrams between clients and a target, over a bad line. Each client address is a flow with a local
 * port of its own, as behind a NAT.
 */
export class UdpRelay {
  readonly stats: FlowStats = newFlowStats();
  private readonly options: LineOptions;
  private readonly clock: Clock;
  private readonly flows = new Map<string, UdpFlow>();
  private readonly held = new DueQueue<Held>();
  private heldBytes = 0;
  private wake: { at: number; timer: Timer } | undefined;
  private sweep: Timer | undefined;
  private socket: Socket | undefined;
  private bound: HostPort | undefined;

  constructor(options: LineOptions, { clock }: { clock: Clock }) {
    this.options = options;
    this.clock = clock;
  }

  /** @throws OperatingError when it cannot listen. */
  async start(): Promise<HostPort> {
    if (this.bound !== undefined) return this.bound;
    const { listen } = this.options;
    const socket = createSocket(listen.family === 6 ? "udp6" : "udp4");
    try {
      socket.bind(listen.port, listen.host);
      await once(socket, "listening");
    } catch (cause) {
      socket.close();
      throw listenError("udp", listen, cause);
    }
    this.socket = socket;
    socket.on("message", (bytes, from) => this.fromClient(bytes, from));
    socket.on("error", () => this.failed());
    this.sweepLater();
    this.bound = { host: listen.host, port: socket.address().port };
    return this.bound;
  }

  /** Every flow's packets leave from another local port from now on. */
  rebind(): void {
    for (const flow of this.flows.values()) flow.rebind();
    this.stats.rebinds += this.flows.size;
  }

  async stop(): Promise<void> {
    const { socket } = this;
    this.wake?.timer.cancel();
    this.sweep?.cancel();
    this.wake = undefined;
    this.sweep = undefined;
    this.socket = undefined;
    this.bound = undefined;
    this.held.clear();
    this.heldBytes = 0;
    for (const [key, flow] of this.flows) this.forget(key, flow);
    if (socket === undefined) return;
    const closed = once(socket, "close");
    socket.close();
    await closed;
  }

  private fromClient(bytes: Uint8Array, { address, port }: RemoteInfo): void {
    const flow = this.flowOf(address, port);
    if (flow !== undefined) this.enter(flow, "up", bytes);
  }

  private flowOf(host: string, port: number): UdpFlow | undefined {
    const key = `${host} ${port}`;
    const known = this.flows.get(key);
    if (known !== undefined) return known;
    if (this.flows.size >= this.options.limits.maxFlows) {
      this.stats.refused += 1;
      return undefined;
    }
    const flow: UdpFlow = new UdpFlow(
      { client: { host, port }, target: this.options.target, flow: this.stats.opened++ },
      {
        received: (bytes) => this.enter(flow, "down", bytes),
        failed: () => this.failed(),
      },
    );
    this.flows.set(key, flow);
    this.stats.flows = this.flows.size;
    return flow;
  }

  private enter(flow: UdpFlow, direction: Direction, bytes: Uint8Array): void {
    const stats = this.stats[direction];
    const now = this.clock.now();
    flow.lastSeenMs = now;
    stats.packets += 1;
    stats.bytes += bytes.length;
    const fate = flow[direction].next(bytes.length, now, this.options.conditions()[direction]);
    if (fate.dropped === "loss") stats.lost += 1;
    if (fate.dropped === "queue") stats.queueDrops += 1;
    if (fate.reordered) stats.reordered += 1;
    stats.duplicated += Math.max(0, fate.delaysMs.length - 1);
    for (const delayMs of fate.delaysMs) {
      if (this.heldBytes + bytes.length > this.options.limits.maxHeldBytes) {
        stats.overflows += 1;
        continue;
      }
      this.heldBytes += bytes.length;
      this.held.add(now + delayMs, { flow, direction, bytes });
    }
    this.release();
  }

  /** Sends what is due and comes back for the rest. */
  private release(): void {
    const now = this.clock.now();
    for (let due = this.held.take(now); due !== undefined; due = this.held.take(now)) {
      const { flow, direction, bytes } = due.item;
      this.heldBytes -= bytes.length;
      // The flow may be forgotten by now: nobody is there then.
      if (this.flows.get(`${flow.client.host} ${flow.client.port}`) !== flow) continue;
      this.stats[direction].delivered += 1;
      this.stats[direction].deliveredBytes += bytes.length;
      if (direction === "up") flow.send(bytes);
      else this.toClient(flow, bytes);
    }
    const at = this.held.nextAt;
    if (at === this.wake?.at) return;
    this.wake?.timer.cancel();
    this.wake =
      at === undefined
        ? undefined
        : { at, timer: this.clock.setTimer(Math.max(0, at - now), () => this.woken()) };
  }

  private woken(): void {
    this.wake = undefined;
    this.release();
  }

  private toClient({ client }: UdpFlow, bytes: Uint8Array): void {
    this.socket?.send(bytes, client.port, client.host, (error) => {
      if (error !== null) this.failed();
    });
  }

  private failed(): void {
    this.stats.socketErrors += 1;
  }

  private sweepLater(): void {
    const { idleMs } = this.options.limits;
    this.sweep = this.clock.setTimer(idleMs / 4, () => {
      const now = this.clock.now();
      for (const [key, flow] of this.flows)
        if (now - flow.lastSeenMs > idleMs) this.forget(key, flow);
      this.sweepLater();
    });
  }

  private forget(key: string, flow: UdpFlow): void {
    this.flows.delete(key);
    this.stats.flows = this.flows.size;
    flow.close();
  }
}
