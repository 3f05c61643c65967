import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { OperatingError } from "@atlasnet/core";

/** Which port it is about, for the error that names it. */
interface Place {
  setting: "proxy.port" | "proxy.udp.port";
  transport: "tcp" | "udp";
  host: string;
  port: number;
}

/** Tries when the system chooses a port that is taken for UDP. */
const TRIES = 8;

interface Ports {
  host: string;
  /** 0: the system chooses. */
  port: number;
  /** Undefined: the number of the TCP port. */
  udpPort: number | undefined;
}

interface Takers {
  accept: (socket: Socket) => void;
  udp: { start(address: string, port: number): Promise<void> } | undefined;
}

/**
 * Opens the TCP port, and the UDP port at the same address and, unless told otherwise, of the same
 * number. @throws OperatingError that names the setting.
 */
export async function openPorts(ports: Ports, takers: Takers): Promise<Server> {
  const { host, port, udpPort } = ports;
  const { accept, udp } = takers;
  for (let tries = 1; ; tries++) {
    const server = createServer({ noDelay: true }, accept);
    const bound = await listen(server, host, port);
    if (udp === undefined) return server;
    const wanted = udpPort ?? bound.port;
    try {
      await udp.start(bound.address, wanted);
      return server;
    } catch (error) {
      // Who came in meanwhile is cut by the owner; the port is free at once.
      server.close();
      const cause = asSystemError(error);
      const chosen = port === 0 && udpPort === undefined;
      if (chosen && cause.code === "EADDRINUSE" && tries < TRIES) continue;
      const setting = udpPort === undefined ? "proxy.port" : "proxy.udp.port";
      throw listenError({ setting, transport: "udp", host, port: wanted }, cause);
    }
  }
}

function asSystemError(error: unknown): NodeJS.ErrnoException {
  return error instanceof Error ? error : new Error(String(error));
}

async function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void =>
      reject(listenError({ setting: "proxy.port", transport: "tcp", host, port }, cause));
    server.once("error", failed);
    server.listen({ host, port }, () => {
      server.off("error", failed);
      resolve();
    });
  });
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new Error("a server that listens on a port has no address");
  return address;
}

function listenError(place: Place, cause: NodeJS.ErrnoException): OperatingError {
  const { setting, transport, host, port } = place;
  const facts = { ...place };
  const where = `${host}:${port}${transport === "udp" ? "/udp" : ""}`;
  if (cause.code === "EADDRINUSE")
    return new OperatingError("port-in-use", `${setting}: ${where} is in use`, {
      facts,
      cause,
      hint: `Stop the process that listens there, or choose another ${setting}${transport === "udp" ? "; proxy.udp.enabled=false does without UDP" : ""}.`,
    });
  if (cause.code === "EACCES")
    return new OperatingError("port-forbidden", `${setting}: may not listen on ${where}`, {
      facts,
      cause,
      hint: `Choose a ${setting} above 1023, or give this process the right to low ports.`,
    });
  return new OperatingError("cannot-listen", `proxy.host: cannot listen on ${where}`, {
    facts,
    cause,
    hint: "Check that proxy.host is an address of this machine; 0.0.0.0 and :: mean all of them.",
  });
}
