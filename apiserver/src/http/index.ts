/** The HTTP API of an apiserver. */

export { ApiServer, type ApiServerDependencies, type ApiServerOptions } from "./api-server.ts";
export { MAX_AUDIT_ENTRIES } from "./audit.ts";
export { kvPrefix } from "./kv-values.ts";
export type {
  BackupPort,
  ClusterPort,
  LoadPort,
  LogLevelPort,
  MemberStatus,
  PlacementPort,
} from "./ports.ts";
export { ROLES, type Role } from "./route.ts";
