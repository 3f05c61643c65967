import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { OperatingError } from "@atlasnet/core";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** An address whose name is looked up. */
export interface Endpoint extends HostPort {
  readonly family: 4 | 6;
}

/** Looks a name up once, so that all flows go to the same address. @throws OperatingError */
export async function resolve({ host, port }: HostPort): Promise<Endpoint> {
  const family = isIP(host);
  if (family !== 0) return { host, port, family: family === 6 ? 6 : 4 };
  try {
    const found = await lookup(host);
    return { host: found.address, port, family: found.family === 6 ? 6 : 4 };
  } catch (cause) {
    throw new OperatingError("unknown-host", `${host}: no such host`, {
      cause,
      hint: "Write the address as a number, as in 127.0.0.1.",
    });
  }
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

export function formatAddress({ host, port }: HostPort): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What a listen that failed says to people. */
export function listenError(kind: "tcp" | "udp", at: HostPort, cause: unknown): OperatingError {
  const inUse = isAddressInUse(cause);
  return new OperatingError(
    inUse ? "port-in-use" : "cannot-listen",
    `cannot listen on ${formatAddress(at)} (${kind})${inUse ? ": it is in use" : ""}`,
    {
      cause,
      hint: "Stop the process that listens there, or take another port; 0 is any free one.",
    },
  );
}

export function isAddressInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}
