import type { Clock, Logger } from "@atlasnet/core";
import type { FollowerStatus, RaftStatus } from "../raft/core/types.ts";
import { RaftError } from "../raft/shell/raft-error.ts";
import type { RaftRunner } from "../raft/shell/raft-runner.ts";

/**
 * The voter that can lead soonest: it lacks least of those that answer. One that has not answered yet in this count of
 * the quorum (it begins anew all the time) comes behind them. Undefined: nobody else can.
 */
export function successorOf({
  role,
  followers,
}: Pick<RaftStatus, "role" | "followers">): string | undefined {
  if (role !== "leader") return undefined;
  const able = followers.filter(({ voter, match }) => voter && match > 0);
  const order = (one: FollowerStatus, other: FollowerStatus) =>
    Number(other.active) - Number(one.active) || other.match - one.match;
  return able.sort(order)[0]?.id;
}

export interface HandOverDependencies {
  readonly runner: Pick<RaftRunner, "status" | "transferLeadership">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Hands leadership to another voter, so that nobody waits for an election when this node stops. Never
 * rejects: without it, the others elect somebody when they miss this node.
 */
export async function handOver(
  deadlineMs: number,
  { runner, clock, logger }: HandOverDependencies,
): Promise<void> {
  const to = successorOf(runner.status);
  if (to === undefined) return;
  let late: { cancel(): void } | undefined;
  const deadline = new Promise<void>((resolve) => {
    late = clock.setTimer(deadlineMs, resolve);
  });
  const transfer = runner.transferLeadership(to).then(
    () => logger.info("Leadership was handed over.", { to }),
    (error: unknown) => {
      if (!(error instanceof RaftError)) throw error;
      logger.warn("Leadership could not be handed over; the others will elect somebody.", {
        to,
        error,
      });
    },
  );
  await Promise.race([transfer, deadline]);
  late?.cancel();
}
