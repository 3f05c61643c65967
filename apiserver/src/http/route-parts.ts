import type { Clock, ControlStore, Logger, Random } from "@atlasnet/core";
import type { AuditLog } from "./audit.ts";
import type { BackupPort, ClusterPort, LogLevelPort, PlacementPort } from "./ports.ts";

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
  readonly backup: BackupPort | undefined;
  readonly logLevel: LogLevelPort | undefined;
}
