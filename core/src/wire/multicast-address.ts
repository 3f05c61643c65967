/** An IPv4 multicast group and its port. */
export interface GroupAddress {
  readonly group: string;
  readonly port: number;
}

/** Where `atlasnet monitor` listens unless told otherwise. */
export const DEFAULT_MULTICAST_ADDRESS = "239.255.0.1:30001";

/** Reads `GROUP:PORT`; undefined for what is not within 224.0.0.0/4. */
export function parseGroupAddress(text: string): GroupAddress | undefined {
  const [, group = "", portText = ""] = /^(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})$/.exec(text) ?? [];
  const octets = group.split(".").map(Number);
  const [first = 0] = octets;
  const port = Number(portText);
  const fits = first >= 224 && first <= 239 && octets.every((octet) => octet <= 255);
  return fits && port >= 1 && port <= 65_535 ? { group: octets.join("."), port } : undefined;
}
