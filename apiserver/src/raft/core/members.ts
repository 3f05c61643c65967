import type { Members } from "./types.ts";

export const NO_MEMBERS: Members = { voters: [], learners: [], incarnations: {} };

/** Sorted, and without incarnations of strangers. */
export function makeMembers(
  voters: readonly string[],
  learners: readonly string[] = [],
  incarnations: Readonly<Record<string, number>> = {},
): Members {
  const known: Record<string, number> = {};
  const sortedVoters = [...new Set(voters)].sort();
  const sortedLearners = [...new Set(learners)].filter((id) => !voters.includes(id)).sort();
  for (const id of [...sortedVoters, ...sortedLearners].sort()) {
    const incarnation = incarnations[id];
    if (incarnation) known[id] = incarnation;
  }
  return { voters: sortedVoters, learners: sortedLearners, incarnations: known };
}

export function isVoter(members: Members, id: string): boolean {
  return members.voters.includes(id);
}

export function isMember(members: Members, id: string): boolean {
  return members.voters.includes(id) || members.learners.includes(id);
}

export function allMembers(members: Members): readonly string[] {
  return [...members.voters, ...members.learners];
}

/** How many voters decide; of none, nobody can. */
export function quorumOf(voters: readonly string[]): number {
  return voters.length === 0 ? Number.POSITIVE_INFINITY : Math.floor(voters.length / 2) + 1;
}

/** The highest value that a quorum has reached; 0 when there are no voters. */
export function quorumValue(voters: readonly string[], reachedBy: (id: string) => number): number {
  const values = voters.map(reachedBy).sort((a, b) => b - a);
  return values[quorumOf(voters) - 1] ?? 0;
}

export function withLearner(members: Members, id: string, incarnation: number): Members {
  const incarnations = { ...members.incarnations, [id]: incarnation };
  return makeMembers(members.voters, [...members.learners, id], incarnations);
}

export function withPromoted(members: Members, id: string): Members {
  const learners = members.learners.filter((other) => other !== id);
  return makeMembers([...members.voters, id], learners, members.incarnations);
}

export function without(members: Members, id: string): Members {
  return makeMembers(
    members.voters.filter((other) => other !== id),
    members.learners.filter((other) => other !== id),
    members.incarnations,
  );
}
