import { type NodeAddress, parsePeers } from "@atlasnet/core/node";

/** The apiservers that `apiserver.peers` names, by node id. @throws OperatingError "no-peers", "bad-peer" */
export function parseApiservers(entries: readonly string[]): ReadonlyMap<string, NodeAddress> {
  return parsePeers(entries, {
    path: "apiserver.peers",
    missing: {
      problem: "an apiserver needs to know all of them",
      hint: "Name them and where they take links, this one included: --peers api-1=10.0.0.1:2556,api-2=10.0.0.2:2556,api-3=10.0.0.3:2556. To try things, one is enough: --node.id api-1 --peers api-1=127.0.0.1:2556.",
    },
    hint: "One entry per apiserver, with its node id, as in api-1=10.0.0.1:2556.",
  });
}
