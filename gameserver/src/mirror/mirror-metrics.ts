import type { Meter } from "@opentelemetry/api";
import type { FollowerPhase } from "./follower-types.ts";
import type { MirrorHost } from "./mirror-host.ts";
import type { OwnerPhase } from "./owner.ts";

const OWNER_PHASES: readonly OwnerPhase[] = [
  "open",
  "gating",
  "confirming",
  "in-sync",
  "clearing",
  "over",
];
const FOLLOWER_PHASES: readonly FollowerPhase[] = [
  "waiting",
  "preparing",
  "following",
  "pausing",
  "suspecting",
  "promoting",
  "over",
];

/** The mirrors that this node takes part in, as of now. */
export function registerMirrorMetrics(
  meter: Meter,
  mirrors: Pick<MirrorHost, "phases" | "lagTicks" | "unleased">,
): void {
  meter
    .createObservableGauge("atlasnet_mirrors", {
      description: "Mirrors of worlds here, and worlds mirrored here, by side and phase",
    })
    .addCallback((result) => {
      for (const [side, phases] of [
        ["owner", OWNER_PHASES],
        ["mirror", FOLLOWER_PHASES],
      ] as const) {
        const all = mirrors.phases(side);
        for (const phase of phases)
          result.observe(all.filter((each) => each === phase).length, { side, phase });
      }
    });
  meter
    .createObservableGauge("atlasnet_mirror_lag_ticks", {
      description: "Ticks of one world here that its mirror has not acknowledged, at most",
    })
    .addCallback((result) => result.observe(mirrors.lagTicks));
  meter
    .createObservableGauge("atlasnet_mirror_unleased", {
      description: "Worlds here that go on without a lease, as long as their mirrors answer",
    })
    .addCallback((result) => result.observe(mirrors.unleased));
}
