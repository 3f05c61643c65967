import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { OperatingError } from "@atlasnet/core";
import type { NeededPort } from "./layout.ts";

/**
 * Makes sure that every port can be had before anything starts.
 * @throws OperatingError "port-in-use" that names each one that cannot.
 */
export async function checkPorts(needed: readonly NeededPort[], hint: string): Promise<void> {
  const problems: string[] = [];
  // One after another: a port that is asked for twice is found, and no two checks disturb each other.
  for (const port of needed) {
    const problem = await problemOf(port);
    if (problem !== undefined)
      problems.push(`port ${port.port} (${port.what}, ${port.protocol.toUpperCase()}) ${problem}`);
  }
  if (problems.length > 0) throw new OperatingError("port-in-use", problems.join("\n  "), { hint });
}

async function problemOf({ protocol, host, port }: NeededPort): Promise<string | undefined> {
  try {
    await (protocol === "tcp" ? tryTcp(host, port) : tryUdp(host, port));
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EADDRINUSE") return "is in use by another program";
    if (code === "EACCES") return "may not be used by this user";
    return `cannot be used at ${host}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function tryTcp(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

function tryUdp(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.once("error", (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address: host, port, exclusive: true }, () => socket.close(() => resolve()));
  });
}
