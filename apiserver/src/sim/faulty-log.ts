import type { Entry } from "../raft/core/types.ts";
import { GroupReplicatedLog } from "../raft/shell/group-log-port.ts";
import type { ReadIndex } from "../store/replicated-log.ts";
import type { ControlFaults } from "./faults.ts";

/** The group's log as the store has it, with rules broken on purpose. */
export class FaultyLog extends GroupReplicatedLog {
  private readonly faults: ControlFaults;
  private readonly chance: () => number;

  constructor(
    options: ConstructorParameters<typeof GroupReplicatedLog>[0],
    { faults, chance }: { faults: ControlFaults; chance: () => number },
  ) {
    super(options);
    this.faults = faults;
    this.chance = chance;
  }

  override async readIndex(): Promise<ReadIndex> {
    if (this.faults.has("reads-without-asking")) return { ok: true, index: 0 };
    return await super.readIndex();
  }

  override apply(entries: readonly Entry[]): void {
    if (!this.faults.has("applies-as-it-likes")) return super.apply(entries);
    super.apply(
      entries.map((entry) =>
        this.chance() < 0.005 ? { ...entry, type: "no-op", data: new Uint8Array() } : entry,
      ),
    );
  }
}
