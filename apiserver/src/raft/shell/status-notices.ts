import type { Logger } from "@atlasnet/core";
import type { RaftCore } from "../core/raft-core.ts";
import type { Members, RaftStatus } from "../core/types.ts";
import type { RunnerEvents } from "./ports.ts";

/** Tells, each once, that this member's role, term or leader is another, that members changed, and that it was retired. */
export class StatusNotices {
  private readonly core: Pick<RaftCore, "status" | "members">;
  private readonly events: RunnerEvents | undefined;
  private readonly logger: Logger;
  private members: Members | undefined;
  private told: Pick<RaftStatus, "role" | "term" | "leader"> | undefined;
  private toldRetired = false;

  constructor(
    core: Pick<RaftCore, "status" | "members">,
    events: RunnerEvents | undefined,
    logger: Logger,
  ) {
    this.core = core;
    this.events = events;
    this.logger = logger;
  }

  tellChange({ role, term, leader, retired }: RaftCore["outline"]): void {
    const { events, logger } = this;
    if (retired && !this.toldRetired) {
      this.toldRetired = true;
      logger.error(
        "This node's log is not the one that the group knows: it takes no part any more.",
        {
          reason: retired,
        },
      );
      events?.onRetired?.(retired);
    }
    const { told } = this;
    if (told?.role === role && told.term === term && told.leader === leader) return;
    this.told = { role, term, leader };
    if (told?.leader !== leader || told?.role !== role)
      // Not as "role": every line says that of the process.
      logger.info(
        leader === undefined ? "The group has no leader that is known." : "The group has a leader.",
        { leader, term, state: role },
      );
    events?.onChange?.(this.core.status);
  }

  tellMembers(): void {
    const { members } = this.core;
    if (members === this.members) return;
    this.members = members;
    this.events?.onMembers?.(members);
  }
}
