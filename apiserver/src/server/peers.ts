import { OperatingError } from "@atlasnet/core";
import type { NodeAddress } from "@atlasnet/core/node";

const PEER = /^([^=]+)=(?:\[([^\]]+)\]|([^:]+)):(\d+)$/;

/**
 * The apiservers that `apiserver.peers` names, by node id; each entry is `NODE=HOST:PORT`, an IPv6 address
 * in brackets. @throws OperatingError "no-peers", "bad-peer"
 */
export function parsePeers(entries: readonly string[]): ReadonlyMap<string, NodeAddress> {
  if (entries.length === 0)
    throw new OperatingError(
      "no-peers",
      "apiserver.peers: an apiserver needs to know all of them",
      {
        hint: "Name them and where they take links, this one included: --peers api-1=10.0.0.1:2556,api-2=10.0.0.2:2556,api-3=10.0.0.3:2556. To try things, one is enough: --node.id api-1 --peers api-1=127.0.0.1:2556.",
      },
    );
  const peers = new Map<string, NodeAddress>();
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
  return new OperatingError("bad-peer", `apiserver.peers: found "${entry}", ${problem}`, {
    hint: "One entry per apiserver, with its node id, as in api-1=10.0.0.1:2556.",
  });
}
