import type { ArtifactStore } from "@atlasnet/artifacts";
import type { Clock, ControlStore, Logger, Random } from "@atlasnet/core";
import { ApiError } from "./api-error.ts";
import type { AuditLog } from "./audit.ts";
import type {
  BackupPort,
  ClusterPort,
  LoadPort,
  LogLevelPort,
  MovePort,
  PlacementPort,
  RaftPort,
  RebalancePort,
} from "./ports.ts";
import type { JoiningPort } from "./routes/join.ts";

/** What routes are made of. */
export interface RouteParts {
  readonly node: string;
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly audit: AuditLog;
  readonly cluster: ClusterPort | undefined;
  readonly placement: PlacementPort | undefined;
  readonly load?: LoadPort | undefined;
  readonly moves?: MovePort | undefined;
  readonly rebalance?: RebalancePort | undefined;
  readonly raft: RaftPort | undefined;
  readonly backup: BackupPort | undefined;
  readonly logLevel: LogLevelPort | undefined;
  readonly joining?: JoiningPort | undefined;
  /** There is a store of snapshots that all gameservers reach (`snapshot.store`). Default: no. */
  readonly snapshots?: boolean | undefined;
  /** Where modules are kept; undefined: they are only listed. */
  readonly artifacts?: ArtifactStore | undefined;
}

/** @throws ApiError "not-available" */
export function wired<T>(port: T | undefined, what: string): T {
  if (port === undefined)
    throw new ApiError(
      "not-available",
      `this apiserver has no ${what}`,
      "It is a part that was not built in; see docs/operations.md, section HTTP API.",
    );
  return port;
}
