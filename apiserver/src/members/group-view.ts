import type { GroupView, MemberView } from "../http/ports.ts";
import type { AddressBook } from "./address-book.ts";
import type { GroupStatus } from "./group-calls.ts";

/** What members say of themselves as one view; that of the leader counts where they differ. */
export function groupView(
  node: string,
  statuses: readonly GroupStatus[],
  book: Pick<AddressBook, "shown" | "recorded">,
): GroupView {
  const own = statuses.find((status) => status.node === node) ?? statuses[0];
  if (own === undefined) throw new Error("an apiserver knows its own status");
  // After a cut a former leader may not know yet that there is a newer one.
  const leading = statuses
    .filter(({ role }) => role === "leader")
    .sort((one, other) => other.term - one.term)[0];
  const base = leading ?? own;
  const ids = [...base.voters, ...base.learners];
  const joining = [...book.recorded.keys()].filter((id) => !ids.includes(id));
  const said = new Map(statuses.map((status) => [status.node, status]));
  return {
    node,
    ...(leading !== undefined && { leader: leading.node }),
    term: base.term,
    commit: base.commit,
    lastIndex: base.lastIndex,
    checkpointIndex: base.checkpointIndex,
    changing: base.pending,
    ...(base.transferTo !== undefined && { transferTo: base.transferTo }),
    members: [...ids, ...joining].map((id) => ({
      ...memberView(id, base, book),
      ...ownFigures(said.get(id)),
    })),
  };
}

/** One member as `status` sees it: that of the leader, where there is one. */
export function memberView(
  node: string,
  status: GroupStatus,
  book: Pick<AddressBook, "shown">,
): MemberView {
  const { voters, learners, followers, role, lastIndex } = status;
  const follower = followers.find(({ id }) => id === node);
  const leads = role === "leader" && status.node === node;
  const address = book.shown(node);
  const { checkpointOffset } = follower ?? {};
  return {
    node,
    state: voters.includes(node) ? "voter" : learners.includes(node) ? "learner" : "joining",
    leads,
    ...(address !== undefined && { address }),
    ...(follower !== undefined && { reachable: follower.active }),
    ...(follower !== undefined && { lag: Math.max(0, lastIndex - follower.match) }),
    ...(leads && { reachable: true, lag: 0 }),
    ...(checkpointOffset !== undefined && { checkpointBytes: checkpointOffset }),
  };
}

function ownFigures(status: GroupStatus | undefined): Partial<MemberView> {
  if (status === undefined) return {};
  const { term, commit, applied, logBytes } = status;
  return { term, commit, applied, logBytes };
}
