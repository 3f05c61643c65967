import { join } from "node:path";
import { type LoadedConfig, OperatingError } from "@atlasnet/core";
import { readKeyFile, readUdpKey } from "@atlasnet/core/node";
import type { ProxyKeys } from "./service.ts";

/**
 * The keys that all proxies of a cluster share: those of the CA, which stand beside this node's certificate,
 * unless the configuration names files of its own. They are never made here: each proxy would have others,
 * and players could not go from one to another.
 * @throws KeyFileError, or OperatingError "no-key-file"
 */
export async function clusterKeys({ config, origins }: LoadedConfig): Promise<ProxyKeys> {
  const fileOf = (setting: KeyFileSetting, configured: string, ofCluster: string) =>
    (origins.get(setting)?.kind ?? "default") === "default"
      ? { setting, file: join(config.identity.dir, ofCluster), ofCluster: true }
      : { setting, file: configured, ofCluster: false };
  const tickets = fileOf("tickets.keyFile", config.tickets.keyFile, "tickets.jwks.json");
  const udp = fileOf("proxy.udp.keyFile", config.proxy.udp.keyFile, "udp.jwk.json");
  return {
    tickets: (await readKeyFile(tickets.file)) ?? missing(tickets),
    udp: config.proxy.udp.enabled ? ((await readUdpKey(udp.file)) ?? missing(udp)) : undefined,
  };
}

type KeyFileSetting = "tickets.keyFile" | "proxy.udp.keyFile";

interface KeyFile {
  setting: KeyFileSetting;
  file: string;
  /** It comes from the CA. */
  ofCluster: boolean;
}

function missing({ setting, file, ofCluster }: KeyFile): never {
  throw new OperatingError("no-key-file", `${setting}: ${file} is not there`, {
    facts: { setting, file },
    hint: ofCluster
      ? "The CA hands it to proxies with their certificate: copy it from another proxy's identity.dir or from the CA's folder, or remove this node's certificate there and join again."
      : "All proxies of a cluster share this file: copy it from another one. Without the setting, the CA's is used.",
  });
}
