import { OperatingError } from "@atlasnet/core";

/** Where a gameserver takes links. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

const PEER = /^([^=]+)=(?:\[([^\]]+)\]|([^:]+)):(\d+)$/;

/**
 * The gameservers that `links.peers` names, by node id; each entry is `NODE=HOST:PORT`, an IPv6 address
 * in brackets. @throws OperatingError "no-peers", "bad-peer"
 */
export function parsePeers(entries: readonly string[]): ReadonlyMap<string, PeerAddress> {
  if (entries.length === 0)
    throw new OperatingError("no-peers", "links.peers: a proxy needs at least one gameserver", {
      hint: "Name the gameservers and where they take links: --peer gs-1=10.0.0.5:2556, or links.peers in the configuration file.",
    });
  const peers = new Map<string, PeerAddress>();
  for (const entry of entries) {
    const [, node, bracketed, plain, digits] = PEER.exec(entry) ?? [];
    const host = bracketed ?? plain;
    const port = Number(digits);
    if (node === undefined || host === undefined || port < 1 || port > 65_535)
      throw badPeer(entry, "allowed: NODE=HOST:PORT with a port from 1 to 65535");
    if (peers.has(node)) throw badPeer(entry, `node ${node} is named twice`);
    peers.set(node, { host, port });
  }
  return peers;
}

function badPeer(entry: string, problem: string): OperatingError {
  return new OperatingError("bad-peer", `links.peers: found "${entry}", ${problem}`, {
    hint: "One entry per gameserver, with the node id of that gameserver, as in gs-1=10.0.0.5:2556.",
  });
}
