import { createSocket, type Socket } from "node:dgram";
import { OperatingError } from "@atlasnet/core";
import { type Family, formatAddress, type HostPort, resolveHost } from "./address.ts";
import type { PacketPort, PacketPortEvents } from "./packet-port.ts";

/** Asked of the system for each direction; it may give less. */
const SOCKET_BUFFER_BYTES = 4 << 20;

/** Turns of the event loop `close` waits for packets that the system did not take at once. */
const CLOSE_TURNS = 100;

/**
 * Opens a UDP socket. Node reads up to 32 packets from it in one turn of the event loop, then others have
 * theirs; so what is received in a turn is bounded too. @throws OperatingError "port-in-use", "cannot-listen", "unknown-host"
 */
export async function openUdpPort(at: HostPort, events: PacketPortEvents): Promise<PacketPort> {
  const { host, family } = await resolveHost(at.host);
  const socket = createSocket({
    type: family === 4 ? "udp4" : "udp6",
    // Only addresses come here; Node would ask its resolver about each packet.
    lookup: (address, _options, found) => found(null, address, family),
  });
  await bind(socket, { host, port: at.port });
  enlargeBuffers(socket, events.error);
  socket.on("message", events.packet);
  socket.on("error", events.error);
  return new UdpPort(socket, family);
}

class UdpPort implements PacketPort {
  private readonly socket: Socket;
  readonly address: HostPort;
  readonly family: Family;
  private closing: Promise<void> | undefined;

  constructor(socket: Socket, family: Family) {
    this.socket = socket;
    this.family = family;
    const { address, port } = socket.address();
    this.address = { host: address, port };
  }

  send(buffer: Buffer, length: number, to: HostPort, done: (error: Error | null) => void): boolean {
    try {
      this.socket.send(buffer, 0, length, to.port, to.host, done);
    } catch (error) {
      // A port that cannot be, or the socket was closed meanwhile.
      queueMicrotask(() => done(error instanceof Error ? error : new Error(String(error))));
      return true;
    }
    // Nothing is queued when the system took the packet at once, as it does but for a full buffer.
    return this.socket.getSendQueueCount() === 0;
  }

  close(): Promise<void> {
    this.closing ??= this.drainAndClose();
    return this.closing;
  }

  private async drainAndClose(): Promise<void> {
    for (let turn = 0; turn < CLOSE_TURNS && this.socket.getSendQueueCount() > 0; turn++)
      await new Promise((resolve) => setImmediate(resolve));
    await new Promise<void>((resolve) => {
      this.socket.close(() => resolve());
    });
  }
}

async function bind(socket: Socket, at: HostPort): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => {
      socket.close();
      reject(bindError(at, cause));
    };
    socket.once("error", failed);
    socket.bind({ address: at.host, port: at.port, exclusive: true }, () => {
      socket.off("error", failed);
      resolve();
    });
  });
}

function bindError(at: HostPort, cause: NodeJS.ErrnoException): OperatingError {
  const where = `${formatAddress(at)}/udp`;
  const facts = { setting: "links.port", host: at.host, port: at.port };
  if (cause.code === "EADDRINUSE")
    return new OperatingError("port-in-use", `links.port: ${where} is in use`, {
      cause,
      facts,
      hint: "Stop the process that listens there, or choose another links.port; 0 is any free one.",
    });
  return new OperatingError("cannot-listen", `links.port: cannot listen on ${where}`, {
    cause,
    facts,
    hint: "Choose an address of this machine as links.host, and a links.port you may use.",
  });
}

function enlargeBuffers(socket: Socket, failed: (error: Error) => void): void {
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
  } catch (error) {
    // The system's own size does as well, with more loss in bursts.
    if (error instanceof Error) failed(error);
  }
}
