import type { Config } from "../config/build-config.ts";
import type { Labels } from "../control/records.ts";
import type { Peer } from "../link/link.ts";
import type { NodeAddress } from "./cluster-links.ts";

/** What a node's record says that comes from its settings. */

/** Entries NAME=VALUE, which the setting has checked. */
export function labelsOf(entries: readonly string[]): Labels {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf("=");
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

/** A bind address that stands for every address of the machine. */
const ANY = new Set(["0.0.0.0", "::"]);

export interface ReachedFrom {
  /** Where the process takes links; undefined when it takes none. */
  readonly bound: NodeAddress | undefined;
  /** From which the apiservers were reached. */
  readonly localAddress: string;
}

/**
 * HOST:PORT where others reach this node: as `links.advertise` says; else the one address that it listens at,
 * or the one from which it reached the apiservers. A proxy takes no links: its record says where players
 * come in, for people.
 */
export function advertisedAddress(
  { links, proxy }: Pick<Config, "links" | "proxy">,
  role: Peer["role"],
  { bound, localAddress }: ReachedFrom,
): string {
  if (links.advertise !== undefined) return links.advertise;
  const at = role === "proxy" ? proxy : { host: links.host, port: bound?.port ?? links.port };
  const host = ANY.has(at.host) ? localAddress : at.host;
  return host.includes(":") ? `[${host}]:${at.port}` : `${host}:${at.port}`;
}
