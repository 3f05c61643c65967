import type { Logger } from "@atlasnet/core";
import type { FromThread } from "../host/protocol.ts";
import type { Fault } from "../shard/shard.ts";
import { Repeats } from "./repeats.ts";

export type WorldFault = Pick<Fault, "event" | "tick" | "message" | "stack">;

export interface FaultReportsDependencies {
  readonly logger: Logger;
  /** Every fault; `repeated` when the same was reported a moment ago. */
  onFault(world: string, fault: WorldFault, repeated: boolean): void;
  /** Ms, on a clock that does not go back. */
  now(): number;
}

/** Tells people of the faults of world code, of the same one not at every tick. */
export class FaultReports {
  private readonly dependencies: FaultReportsDependencies;
  private readonly repeats: Repeats;

  constructor(dependencies: FaultReportsDependencies) {
    this.dependencies = dependencies;
    this.repeats = new Repeats(() => dependencies.now());
  }

  report(
    world: string,
    { shard, fault, quarantined }: Extract<FromThread, { type: "fault" }>,
  ): void {
    const { logger, onFault } = this.dependencies;
    const { event, tick, kind, stack, session } = fault;
    const repeats = this.repeats.note(`${world} ${event} ${fault.message}`);
    if (repeats !== undefined) {
      logger.error(`World ${world}, ${event} at tick ${tick}: ${fault.message}`, {
        world,
        shard,
        ...(session === undefined ? {} : { session }),
        event,
        tick,
        kind,
        stack,
        ...(repeats === 0 ? {} : { unreported: repeats }),
      });
    }
    onFault(world, fault, repeats === undefined);
    if (quarantined)
      logger.error(
        `World ${world} is stopped after repeated faults. Repair the module and restart the world.`,
        { world, shard },
      );
  }
}
