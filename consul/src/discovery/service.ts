import type { Announcement, DiscoveredProcess, NodeAddress } from "@atlasnet/core/node";
import type { ServiceEntry } from "../agent/answers.ts";
import type { ServiceRegistration } from "../agent/consul-agent.ts";

export interface ServiceOptions {
  readonly service: string;
  readonly tags: readonly string[];
  readonly ttlMs: number;
  /** Under which others reach this process, in place of addresses that stand for all of the machine. */
  readonly address: string;
}

/** A service that has failed for so many times its TTL is forgotten by Consul, a minute at least. */
const FORGET_AFTER = 30;
const LEAST_FORGET_MS = 60_000;
const EVERYWHERE = new Set(["0.0.0.0", "::", ""]);

/** What Consul is told of a process. */
export function registrationOf(
  process: Announcement,
  { service, tags, ttlMs, address }: ServiceOptions,
): ServiceRegistration {
  const { node, role, cluster, links, api, players } = process;
  const at = (of: NodeAddress) => hostAndPort({ ...of, host: reachable(of.host, address) });
  const first = links ?? players ?? api;
  const own = [role, `node=${node}`, ...(cluster === undefined ? [] : [`cluster=${cluster}`])];
  return {
    id: `${service}-${node}`,
    name: service,
    address: reachable(first?.host ?? "", address),
    port: first?.port ?? 0,
    tags: [...new Set([...own, ...tags])],
    meta: {
      node,
      role,
      ...(links && { links: at(links) }),
      ...(players && { players: at(players) }),
      ...(api && { api: `${api.tls ? "https" : "http"}://${at(api)}` }),
    },
    ttlMs,
    forgetMs: Math.max(LEAST_FORGET_MS, ttlMs * FORGET_AFTER),
  };
}

/** A process from what Consul knows; undefined for a service of another kind under the same name. */
export function processOf({ meta, passing }: ServiceEntry): DiscoveredProcess | undefined {
  const { node, links, api } = meta;
  const role = roleOf(meta["role"]);
  if (typeof node !== "string" || node === "" || role === undefined) return undefined;
  return {
    node,
    role,
    links: typeof links === "string" ? addressOf(links) : undefined,
    api: typeof api === "string" && /^https?:\/\/[^\s/]+$/.test(api) ? api : undefined,
    ready: passing,
  };
}

const ADDRESS = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/;

/** From `host:port`, an IPv6 address in brackets. */
export function addressOf(text: string): NodeAddress | undefined {
  const [, bracketed, plain, digits] = ADDRESS.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}

function roleOf(role: unknown): DiscoveredProcess["role"] | undefined {
  return role === "apiserver" || role === "gameserver" || role === "proxy" || role === "monolith"
    ? role
    : undefined;
}

function reachable(host: string, address: string): string {
  return EVERYWHERE.has(host) ? address : host;
}

function hostAndPort({ host, port }: NodeAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
