import { createSocket, type Socket } from "node:dgram";
import { type GroupAddress, OperatingError } from "@atlasnet/core";

/** Datagrams stay on the LAN: no router passes them on. */
const TTL = 1;

export interface GroupSenderOptions extends GroupAddress {
  /** Address of the interface to send by; undefined: the system chooses. */
  interface: string | undefined;
}

export interface GroupSenderDependencies {
  /** A datagram could not be sent, or the socket failed. */
  failed(error: Error): void;
}

/** The socket that a server's datagrams leave by. */
export class GroupSender {
  private readonly options: GroupSenderOptions;
  private readonly dependencies: GroupSenderDependencies;
  private socket: Socket | undefined;

  constructor(options: GroupSenderOptions, dependencies: GroupSenderDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  /** @throws OperatingError when the interface cannot be sent by. */
  async start(): Promise<void> {
    const socket = createSocket("udp4");
    const address = this.options.interface;
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.bind({ port: 0, ...(address === undefined ? {} : { address }) }, () => {
          socket.off("error", reject);
          resolve();
        });
      });
      if (address !== undefined) socket.setMulticastInterface(address);
      socket.setMulticastTTL(TTL);
      // Watchers on this machine get it, too.
      socket.setMulticastLoopback(true);
    } catch (cause) {
      socket.close();
      const where = address === undefined ? "address" : "interface";
      throw new OperatingError(
        "cannot-multicast",
        `gameserver.multicast.${where}: multicast cannot be sent by ${address ?? "any interface"}`,
        {
          cause,
          hint: "gameserver.multicast.interface has to be an IPv4 address of this machine.",
        },
      );
    }
    socket.on("error", (error) => this.dependencies.failed(error));
    socket.unref();
    this.socket = socket;
  }

  send(datagram: Uint8Array): void {
    const { group, port } = this.options;
    this.socket?.send(datagram, port, group, (error) => {
      if (error !== null) this.dependencies.failed(error);
    });
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    const { socket } = this;
    this.socket = undefined;
    if (socket === undefined) return;
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}
