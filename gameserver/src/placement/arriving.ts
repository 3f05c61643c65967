import type { HostedShard } from "./hosted-shard.ts";
import type { HostingEvent } from "./hosting-types.ts";
import type { PhaseDependencies } from "./phase.ts";
import { runsAs } from "./runs-as.ts";

/** A shard that comes while it runs: its replica is here first, then the switch makes it this node's. */
export class Arriving {
  private readonly parts: PhaseDependencies;

  constructor(parts: PhaseDependencies) {
    this.parts = parts;
  }

  arrive(entry: HostedShard): void {
    entry.phase = "arriving";
    entry.ownership = undefined;
    // Nothing that failed here before speaks against it.
    entry.givenUp = false;
    entry.problem = undefined;
  }

  /** The view may not have shown the switch yet. */
  adopted(
    entry: HostedShard,
    { ownership, record, recorded }: Extract<HostingEvent, { type: "adopted" }>,
  ): void {
    if (entry.phase !== "arriving") return;
    entry.owns(ownership);
    entry.usedEpoch = ownership.epoch;
    entry.runsAs = runsAs(record);
    entry.worldFloor = recorded;
    entry.phase = "open";
    entry.openedAt = this.parts.outbox.now;
    entry.failures = 0;
    this.parts.look(entry);
  }

  departed(entry: HostedShard): void {
    if (entry.phase !== "arriving") return;
    entry.phase = "rest";
    this.parts.look(entry);
  }
}
