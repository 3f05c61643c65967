import { lookup } from "node:dns/promises";
import { isIP, SocketAddress } from "node:net";
import { OperatingError } from "@atlasnet/core";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export type Family = 4 | 6;

/** `10.0.0.5:2556`, `[::1]:2556`. */
export function formatAddress({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The family of an address or, looked up, of a name. @throws OperatingError "unknown-host" */
export async function resolveHost(host: string): Promise<{ host: string; family: Family }> {
  const family = isIP(host);
  if (family !== 0) return { host, family: family === 6 ? 6 : 4 };
  const found = await lookUp(host, 0);
  return { host: found.address, family: found.family === 6 ? 6 : 4 };
}

/**
 * An address as a socket of `family` sends to it and names it on arrival, so that both compare as text;
 * undefined: a socket of this family does not reach it. A dual-stack socket sees IPv4 as `::ffff:1.2.3.4`.
 */
export function socketAddress(host: string, family: Family): string | undefined {
  const own = isIP(host);
  if (own === 4) return family === 4 ? host : `::ffff:${host}`;
  if (own !== 6 || family === 4) return undefined;
  return new SocketAddress({ address: host, family: "ipv6" }).address;
}

/** Looks a name up, once, as an address for a socket of `family`. @throws OperatingError "unknown-host" */
export async function resolveFor(host: string, family: Family): Promise<string | undefined> {
  if (isIP(host) !== 0) return socketAddress(host, family);
  return socketAddress((await lookUp(host, family === 4 ? 4 : 0)).address, family);
}

async function lookUp(host: string, family: 0 | Family) {
  try {
    return await lookup(host, { family });
  } catch (cause) {
    throw new OperatingError("unknown-host", `${host}: no such host`, {
      cause,
      facts: { host },
      hint: "Check the name, or write the address as a number, as in 10.0.0.5.",
    });
  }
}
