import type { NodeView } from "./checker.ts";

/**
 * When all is well again there is one leader, and every member has applied what it has.
 * Returns what is not so (yet).
 */
export function whatIsMissing(
  views: readonly NodeView[],
  machines: ReadonlyMap<string, readonly number[]>,
  lastWrite: number | undefined,
): string | undefined {
  const leaders = views.filter(({ status }) => status.role === "leader");
  const [leader] = leaders;
  if (!leader || leaders.length > 1)
    return `leaders: ${leaders.map(({ id }) => id).join() || "none"}`;
  const { members, commit, lastIndex, applied, membersPending, transferTo } = leader.status;
  if (commit !== lastIndex || applied !== commit)
    return `${leader.id}: ${applied} applied, ${commit} of ${lastIndex} committed`;
  if (membersPending) return "a change of members is still pending";
  if (transferTo) return `a transfer to ${transferTo} never ends`;
  for (const id of [...members.voters, ...members.learners]) {
    const view = views.find((other) => other.id === id);
    if (!view || view.status.retired) continue;
    if (view.status.applied !== applied)
      return `${id} applied ${view.status.applied} of ${applied} entries`;
    if (lastWrite !== undefined && !machines.get(id)?.includes(lastWrite))
      return `${id} lacks the command that was written after healing`;
  }
  return undefined;
}
