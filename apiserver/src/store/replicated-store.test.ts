import type { Clock } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { systemClock } from "@atlasnet/core/system";
import { type ControlFixture, controlStoreAcceptance } from "@atlasnet/core/testing";
import { LocalLog } from "./local-log.ts";
import { ReplicatedStore } from "./replicated-store.ts";

controlStoreAcceptance("replicated store over a group of one", async () => {
  const clock = systemClock;
  return { ...parts(clock, () => 0), clock, run: (work) => work };
});

controlStoreAcceptance("replicated store, commits and reads with delays", async () => {
  const clock = new SimClock();
  const random = new SeededRandom("delays");
  return {
    ...parts(clock, () => random.int(0, 40)),
    clock,
    run: (work) => clock.drive(work, settle),
  };
});

function parts(
  clock: Clock,
  delayMs: () => number,
): Pick<ControlFixture, "near" | "far" | "setLease" | "forgetHistory" | "close"> {
  const leases = new Set<string>();
  const log = new LocalLog({ delayMs }, { clock });
  const store = new ReplicatedStore(
    {},
    { log, clock, random: new SeededRandom(1), holdsLease: (node) => leases.has(node) },
  );
  return {
    near: store,
    far: store,
    setLease: (node, held) => {
      if (held) leases.add(node);
      else leases.delete(node);
    },
    forgetHistory: async () => store.forgetHistory(),
    close: async () => store.stop(),
  };
}
