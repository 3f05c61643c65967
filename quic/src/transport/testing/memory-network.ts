import type { HostPort } from "../address.ts";
import type { OpenPacketPort, PacketPort, PacketPortEvents } from "../packet-port.ts";

export interface Packet {
  readonly from: HostPort;
  readonly to: HostPort;
  readonly bytes: Buffer;
}

/** What becomes of a packet: these arrive. */
export type Rule = (packet: Packet) => readonly Packet[];

const deliver: Rule = (packet) => [packet];

/** A network in memory: packets arrive in the next turn of the event loop, or as `rule` says. */
export class MemoryNetwork {
  private readonly ports = new Map<number, PacketPortEvents>();
  private nextPort = 1;
  /** Packets that were sent, before the rule. */
  readonly seen: Packet[] = [];
  keepSeen = false;
  rule: Rule = deliver;
  /** Sends of more bytes than this fail as the system's do. */
  maxBytes = 65_507;

  readonly openPort: OpenPacketPort = (at, events) => {
    const address = { host: at.host, port: this.nextPort++ };
    this.ports.set(address.port, events);
    const port: PacketPort = {
      address,
      family: 4,
      send: (buffer, length, to, done) => {
        const error = this.send(Buffer.from(buffer.subarray(0, length)), address, to);
        queueMicrotask(() => done(error));
        return true;
      },
      close: () => {
        this.ports.delete(address.port);
        return Promise.resolve();
      },
    };
    return Promise.resolve(port);
  };

  /** Puts a packet on the network as if it came from `from`. */
  inject(packet: Packet): void {
    setImmediate(() => this.arrive(packet));
  }

  private send(bytes: Buffer, from: HostPort, to: HostPort): Error | null {
    if (bytes.length > this.maxBytes)
      return Object.assign(new Error("send EMSGSIZE"), { code: "EMSGSIZE" });
    const packet = { from, to, bytes };
    if (this.keepSeen) this.seen.push({ ...packet, bytes: Buffer.from(bytes) });
    for (const arriving of this.rule(packet)) this.inject(arriving);
    return null;
  }

  private arrive({ from, to, bytes }: Packet): void {
    this.ports.get(to.port)?.packet(Buffer.from(bytes), { address: from.host, port: from.port });
  }
}
