import { readFile } from "node:fs/promises";
import { type Clock, type Config, type Logger, OperatingError } from "@atlasnet/core";
import { type Discovery, readSecretFile, StaticDiscovery } from "@atlasnet/core/node";
import { messageOf, systemClock } from "@atlasnet/core/system";
import { ConsulAgent } from "../agent/consul-agent.ts";
import { ConsulDiscovery } from "./consul-discovery.ts";

export interface OpenDiscoveryDependencies {
  readonly logger: Logger;
  readonly clock?: Clock;
}

/**
 * How this process finds the others, as `discovery.type` says. Its creator stops it.
 * @throws OperatingError for a token file that cannot be read
 */
export async function openDiscovery(
  config: Pick<Config, "discovery" | "apiserver" | "cluster" | "links">,
  { logger, clock = systemClock }: OpenDiscoveryDependencies,
): Promise<Discovery> {
  const { discovery, apiserver, cluster, links } = config;
  if (discovery.type === "static")
    return new StaticDiscovery({
      apiservers: apiserver.peers,
      apis: cluster.apiservers,
      gameservers: links.peers,
    });
  const { service, tags, ttlMs, advertise } = discovery.consul;
  return new ConsulDiscovery(
    { service, tags, ttlMs, ...(advertise !== undefined && { advertise }) },
    { agent: await openConsulAgent(config), clock, logger },
  );
}

/** @throws OperatingError for a file of the settings that cannot be read */
export async function openConsulAgent({
  discovery,
}: Pick<Config, "discovery">): Promise<ConsulAgent> {
  const { address, token, ca } = discovery.consul;
  return new ConsulAgent({
    address,
    ...(token !== undefined && { token: await readToken(token) }),
    ...(ca !== undefined && { ca: await readAuthorities(ca) }),
  });
}

async function readAuthorities(file: string): Promise<string> {
  const hint = "It has to name a PEM file with the certificates that the agent's is checked with.";
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    const problem = `discovery.consul.ca: ${messageOf(cause)}`;
    throw new OperatingError("unreadable-file", problem, { cause, hint });
  });
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new OperatingError(
    "bad-certificate-file",
    `discovery.consul.ca: ${file} holds no certificate`,
    { hint },
  );
}

async function readToken(file: string): Promise<string> {
  const hint = "discovery.consul.token has to name a file with the token and nothing else.";
  let text: string | undefined;
  try {
    text = (await readSecretFile(file))?.trim();
  } catch (cause) {
    throw new OperatingError("unreadable-file", `discovery.consul.token: ${messageOf(cause)}`, {
      cause,
      hint,
    });
  }
  if (text !== undefined && /^[\x21-\x7e]{1,256}$/.test(text)) return text;
  const problem = text === undefined ? "is not there" : "holds no token";
  throw new OperatingError("bad-token-file", `discovery.consul.token: ${file} ${problem}`, {
    hint,
  });
}
