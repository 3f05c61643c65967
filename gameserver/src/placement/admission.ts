import type { HostedShard, PhaseCounts } from "./hosted-shard.ts";
import type { PhaseDependencies } from "./phase.ts";
import type { Releasing } from "./releasing.ts";
import type { Running } from "./running.ts";

/** Shards whose module is fetched or whose claim is under way; others wait. */
export const MAX_CLAIMS_UNDER_WAY = 32;
/** Shards that are being opened; others wait, owned already. */
export const MAX_OPENS_UNDER_WAY = 8;

export interface AdmissionOptions {
  readonly maxClaims?: number | undefined;
  readonly maxOpens?: number | undefined;
}

export interface AdmissionDependencies {
  readonly counts: PhaseCounts;
  readonly running: Pick<Running, "open">;
  readonly releasing: Pick<Releasing, "release">;
  /** The shard is neither here nor wanted here. */
  forget(entry: HostedShard): void;
}

/** Whether a shard at rest is prepared and one that is claimed opened, and when: of each only so many at a time. */
export class Admission {
  private readonly parts: Omit<PhaseDependencies, "look">;
  private readonly dependencies: AdmissionDependencies;
  private readonly maxClaims: number;
  private readonly maxOpens: number;
  private readonly toPrepare = new Set<HostedShard>();
  private readonly toOpen = new Set<HostedShard>();

  constructor(
    { maxClaims = MAX_CLAIMS_UNDER_WAY, maxOpens = MAX_OPENS_UNDER_WAY }: AdmissionOptions,
    parts: Omit<PhaseDependencies, "look">,
    dependencies: AdmissionDependencies,
  ) {
    this.maxClaims = maxClaims;
    this.maxOpens = maxOpens;
    this.parts = parts;
    this.dependencies = dependencies;
  }

  lookAtRest(entry: HostedShard): void {
    const { view, retries, outbox } = this.parts;
    this.toPrepare.delete(entry);
    retries.forgiveChanged(entry);
    if (view.registration === undefined || view.isBehind(entry)) return;
    if (view.isMine(entry)) {
      if (view.isLeftToMirror(entry)) return;
      const lost = view.isMirrored(entry) ? "its mirror is gone as well" : undefined;
      const why = view.whyGiveUp(entry, outbox.now) ?? lost;
      if (why !== undefined) {
        if (outbox.now >= entry.txnAt) this.dependencies.releasing.release(entry, why);
      } else if (retries.mayTry(entry)) this.toPrepare.add(entry);
      return;
    }
    entry.ownership = undefined;
    if (view.isClaimable(entry)) {
      if (retries.mayTry(entry)) this.toPrepare.add(entry);
    } else if (!view.isWanted(entry)) this.dependencies.forget(entry);
  }

  lookAtClaimed(entry: HostedShard): void {
    const { view, outbox } = this.parts;
    const why = view.whyGiveUp(entry, outbox.now);
    if (why === undefined) {
      this.toOpen.add(entry);
      return;
    }
    this.toOpen.delete(entry);
    this.dependencies.releasing.release(entry, why);
  }

  /** It comes in another way: by a replica. */
  leave(entry: HostedShard): void {
    this.toPrepare.delete(entry);
  }

  /** Nobody waits any more. */
  clear(): void {
    this.toPrepare.clear();
    this.toOpen.clear();
  }

  /** Begins what may begin. */
  fill(): void {
    const { outbox, view } = this.parts;
    const { counts, running } = this.dependencies;
    let claims = counts.of("preparing") + counts.of("claiming");
    for (const entry of this.toPrepare) {
      if (claims >= this.maxClaims) break;
      this.toPrepare.delete(entry);
      const { record } = view.worldOf(entry);
      if (entry.phase !== "rest" || record === undefined) continue;
      claims += 1;
      entry.phase = "preparing";
      outbox.put({ type: "prepare", ...outbox.attempt(entry), record });
    }
    let opens = counts.of("opening");
    for (const entry of this.toOpen) {
      if (opens >= this.maxOpens) break;
      this.toOpen.delete(entry);
      const { record } = view.worldOf(entry);
      const { ownership } = entry;
      if (entry.phase !== "claimed" || record === undefined || ownership === undefined) continue;
      opens += 1;
      running.open(entry, record, ownership);
    }
  }
}
