import { SimViolation } from "../violation.ts";
import type { NodeView } from "./checker.ts";

const RULE = "progress after healing";

/** When all is well again there is one leader, and every member has applied what it has. */
export function checkProgress(
  views: readonly NodeView[],
  machines: ReadonlyMap<string, readonly number[]>,
  lastWrite: number,
): void {
  const leaders = views.filter(({ status }) => status.role === "leader");
  const [leader] = leaders;
  if (!leader || leaders.length > 1)
    throw new SimViolation(RULE, `leaders: ${leaders.map(({ id }) => id).join() || "none"}`);
  const { members, commit, lastIndex, applied, membersPending, transferTo } = leader.status;
  if (commit !== lastIndex || applied !== commit)
    throw new SimViolation(
      RULE,
      `${leader.id}: ${applied} applied, ${commit} of ${lastIndex} committed`,
    );
  if (membersPending) throw new SimViolation(RULE, "a change of members is still pending");
  if (transferTo) throw new SimViolation(RULE, `a transfer to ${transferTo} never ends`);
  for (const id of [...members.voters, ...members.learners]) {
    const view = views.find((other) => other.id === id);
    if (!view || view.status.retired) continue;
    if (view.status.applied !== applied)
      throw new SimViolation(RULE, `${id} applied ${view.status.applied} of ${applied} entries`);
    if (!machines.get(id)?.includes(lastWrite))
      throw new SimViolation(RULE, `${id} lacks the command that was written after healing`);
  }
}
