import type { Plain } from "@atlasnet/world";
import type { Fault } from "./faults.ts";
import type { Addressed } from "./replies.ts";
import type { RequestState } from "./tables.ts";

/** What a tick changed, and all that it lets out. */
export interface TickResult {
  tick: number;
  /** The tick's inputs and changes, for the journal and replicas. */
  delta: Uint8Array;
  messages: Addressed[];
  requests: RequestState[];
  logs: { message: string; facts: { readonly [key: string]: Plain } }[];
  faults: Fault[];
  /** True when the shard has just stopped for good after repeated faults. */
  quarantined: boolean;
  /** Events handled, and those put off to the next tick. */
  handled: number;
  /** Of the events handled: inputs and messages of clients. */
  applied: number;
  queued: number;
  /** Faults beyond MAX_FAULTS_PER_TICK, which are not in `faults`. */
  moreFaults: number;
}
