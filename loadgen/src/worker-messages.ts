import type { HistoryVerdict } from "@atlasnet/history";
import type { DefinitionData } from "@atlasnet/world";
import type { Counts, TallyData } from "./tally.ts";

/** What the coordinator and its processes say to each other, as JSON. */

export interface WorkerPlan {
  /** With the scheme of the transport. */
  readonly url: string;
  readonly world: string;
  readonly definition: DefinitionData;
  /** Undefined: only inputs are sent. */
  readonly message: string | undefined;
  readonly rate: number;
  readonly input: string | undefined;
  readonly inputRate: number;
  /** This process plays clients `first` to `first + clients − 1` of `allClients`. */
  readonly first: number;
  readonly clients: number;
  readonly allClients: number;
  readonly rampMs: number;
  readonly seed: number;
  readonly tickets: readonly string[] | undefined;
  readonly serverKey: string | undefined;
  /** The world is that of the history checker, and is asked for its account. */
  readonly check: boolean;
  /** Where this process records its clients' history. */
  readonly history: string | undefined;
  readonly remote: boolean;
}

export interface Timing {
  readonly warmUpMs: number;
  readonly windowMs: number;
  readonly graceMs: number;
}

export type ToWorker =
  | { readonly type: "join"; readonly plan: WorkerPlan }
  | { readonly type: "go"; readonly timing: Timing }
  /** Ends joining, or the window, now. */
  | { readonly type: "stop" };

export interface WorkerProgress {
  readonly counts: Counts;
  readonly sequenceErrors: number;
  readonly errors: number;
  /** Round trips since the last progress. */
  readonly roundTrip: string;
}

export interface WorkerResult {
  readonly tally: TallyData;
  /** Undefined when nothing was recorded. */
  readonly history?: HistoryVerdict | undefined;
  /** Length of the window as it was; shorter than asked after a stop. */
  readonly windowMs: number;
  /** CPU time of the process while the window lasted. */
  readonly cpuMs: number;
  readonly rssBytes: number;
  /** Wall clock, in ms: when the first join began and the last one ended. */
  readonly joinsBeganAt: number;
  readonly joinsEndedAt: number;
}

export type FromWorker =
  | { readonly type: "joined" }
  | { readonly type: "progress"; readonly progress: WorkerProgress }
  | { readonly type: "done"; readonly result: WorkerResult };
