import { createSocket, type Socket } from "node:dgram";
import { type GroupAddress, OperatingError } from "@atlasnet/core";

export interface GroupSocketOptions extends GroupAddress {
  /** Address of the interface to listen on; undefined: the system chooses. */
  interface: string | undefined;
}

export interface GroupSocketDependencies {
  /** A datagram of the group, and the address it came from. */
  datagram(bytes: Uint8Array, source: string): void;
  failed(error: Error): void;
}

/** Listens to a multicast group. Any number of processes on a machine may listen to the same one. */
export class GroupSocket {
  private readonly options: GroupSocketOptions;
  private readonly dependencies: GroupSocketDependencies;
  private socket: Socket | undefined;

  constructor(options: GroupSocketOptions, dependencies: GroupSocketDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  /** @throws OperatingError when the group cannot be joined. */
  async start(): Promise<void> {
    const { group, port, interface: by } = this.options;
    const socket = createSocket({ type: "udp4", reuseAddr: true });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.bind({ port, address: bindAddress(group) }, () => {
          socket.off("error", reject);
          resolve();
        });
      });
      socket.addMembership(group, by);
    } catch (cause) {
      socket.close();
      throw new OperatingError(
        "cannot-join-group",
        `the multicast group ${group}:${port} cannot be joined on ${by ?? "any interface"}`,
        { cause, hint: "--interface takes an IPv4 address of this machine." },
      );
    }
    socket.on("message", (bytes, { address }) => this.dependencies.datagram(bytes, address));
    socket.on("error", (error) => this.dependencies.failed(error));
    this.socket = socket;
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    const { socket } = this;
    this.socket = undefined;
    if (socket === undefined) return;
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}

/** Bound to the group, a socket hears nothing else; Windows knows only addresses of the machine. */
function bindAddress(group: string): string {
  return process.platform === "win32" ? "0.0.0.0" : group;
}
