import type { ClusterPort, MemberStatus } from "../http/ports.ts";
import type { AddressBook } from "../members/address-book.ts";
import type { RaftStatus } from "../raft/core/types.ts";

/** The apiservers for the HTTP API: who takes part, where, and whom the leader hears. */
export function membersView(
  status: () => RaftStatus,
  book: Pick<AddressBook, "shown">,
): ClusterPort {
  return {
    members: () => {
      const { id: self, role, members, followers } = status();
      const heard = new Map(followers.map(({ id, active }) => [id, active]));
      const show =
        (voter: boolean) =>
        (node: string): MemberStatus => {
          const address = book.shown(node);
          const reachable = role === "leader" && node === self ? true : heard.get(node);
          return {
            node,
            voter,
            ...(address !== undefined && { address }),
            ...(reachable !== undefined && { reachable }),
          };
        };
      return [...members.voters.map(show(true)), ...members.learners.map(show(false))];
    },
  };
}
