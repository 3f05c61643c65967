import type { HostedShard } from "./hosted-shard.ts";
import type { HostingView } from "./hosting-view.ts";
import type { Outbox } from "./outbox.ts";
import type { Retries } from "./retries.ts";

/** What the phases of a shard's way share. `look`: decides anew about a shard, after each of its steps. */
export interface PhaseDependencies {
  readonly view: HostingView;
  readonly outbox: Outbox;
  readonly retries: Retries;
  readonly look: (entry: HostedShard) => void;
}
