import type { RaftStatus } from "../core/types.ts";

/**
 * A voter that no leader has reached since its log was made. It votes for nobody who has more, so tests
 * that end a leader wait until there is none: without that leader two of three might wait for ever.
 */
export function isUnreachedVoter({ id, newLog, members }: RaftStatus): boolean {
  return newLog && members.voters.includes(id);
}
