import { type NodeAddress, parsePeers } from "@atlasnet/core/node";

/** The gameservers that `links.peers` names, by node id. @throws OperatingError "no-peers", "bad-peer" */
export function parseGameservers(entries: readonly string[]): ReadonlyMap<string, NodeAddress> {
  return parsePeers(entries, {
    path: "links.peers",
    missing: {
      problem: "a proxy needs at least one gameserver, or the cluster's apiservers",
      hint: "Name the apiservers, --apiserver https://10.0.0.1:8080; or without any, the gameservers and where they take links: --peer gs-1=10.0.0.5:2556.",
    },
    hint: "One entry per gameserver, with the node id of that gameserver, as in gs-1=10.0.0.5:2556.",
  });
}
