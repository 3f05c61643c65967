import type { NodeAddress } from "@atlasnet/core/node";
import type { ClusterPort, MemberStatus } from "../http/ports.ts";
import type { RaftStatus } from "../raft/core/types.ts";

/** The apiservers for the HTTP API: who takes part, where, and whom the leader hears. */
export function membersView(
  status: () => RaftStatus,
  addresses: ReadonlyMap<string, NodeAddress>,
): ClusterPort {
  return {
    members: () => {
      const { id: self, role, members, followers } = status();
      const heard = new Map(followers.map(({ id, active }) => [id, active]));
      const show =
        (voter: boolean) =>
        (node: string): MemberStatus => {
          const address = addresses.get(node);
          const reachable = role === "leader" && node === self ? true : heard.get(node);
          return {
            node,
            voter,
            ...(address && { address: textOf(address) }),
            ...(reachable !== undefined && { reachable }),
          };
        };
      return [...members.voters.map(show(true)), ...members.learners.map(show(false))];
    },
  };
}

function textOf({ host, port }: NodeAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
