import { readFileSync } from "node:fs";
import { BlockList, isIP, isIPv4 } from "node:net";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";

/** What a network is taken to carry that says nothing. */
const ETHERNET_MTU = 1500;

/** Largest UDP payload there is. */
const MAX_UDP_BYTES = 65_507;

const IPV4_AND_UDP_BYTES = 28;
const IPV6_AND_UDP_BYTES = 48;

const MAPPED = "::ffff:";

interface PathLimitDependencies {
  readonly interfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]>;
  /** The MTU of an interface; undefined: not known. */
  readonly mtu: (name: string) => number | undefined;
}

/**
 * Largest UDP payload that leaves this machine towards `host` in one piece, as far as can be known. Linux
 * cuts larger ones into fragments unasked, which would answer a probe and be lost as a whole with any one
 * of them: so such sizes are not even tried. The machine itself has no such limit.
 */
export function pathLimit(
  host: string,
  dependencies: PathLimitDependencies = { interfaces: networkInterfaces, mtu: readMtu },
): number {
  const address = host.startsWith(MAPPED) ? host.slice(MAPPED.length) : host;
  const networks = Object.entries(dependencies.interfaces()).flatMap(([name, infos = []]) =>
    infos.map((info) => ({ name, ...info })),
  );
  const local = networks.some((network) => network.internal && contains(network, address));
  if (local || networks.some((network) => network.address === address)) return MAX_UDP_BYTES;
  const outside = networks.filter((network) => !network.internal);
  const near = outside.filter((network) => contains(network, address));
  // Through a router it leaves by one of them, and any may be it.
  const candidates = near.length > 0 ? near : outside;
  const mtus = candidates.map(({ name }) => dependencies.mtu(name) ?? ETHERNET_MTU);
  const mtu = mtus.length === 0 ? ETHERNET_MTU : Math.min(...mtus);
  return mtu - (isIPv4(address) ? IPV4_AND_UDP_BYTES : IPV6_AND_UDP_BYTES);
}

function contains({ cidr }: NetworkInterfaceInfo, address: string): boolean {
  const [network, prefix] = (cidr ?? "").split("/");
  if (network === undefined || prefix === undefined) return false;
  const family = isIP(network) === 4 ? "ipv4" : "ipv6";
  if ((family === "ipv4") !== isIPv4(address)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), family);
  return list.check(address, family);
}

/** Linux tells; elsewhere nothing does. */
function readMtu(name: string): number | undefined {
  try {
    const mtu = Number(readFileSync(`/sys/class/net/${name}/mtu`, "utf8"));
    return Number.isInteger(mtu) && mtu > 0 ? mtu : undefined;
  } catch {
    return undefined;
  }
}
