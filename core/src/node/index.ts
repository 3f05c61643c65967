export { createTicketKeys, type KeySet, KeySetError } from "../tickets/jose-ticket-keys.ts";
export { TicketClaimError } from "../tickets/ticket-claims.ts";
export type {
  ClusterIdentity,
  ClusterLinks,
  ClusterLinksOptions,
  LinkCertificate,
  NodeAddress,
  OpenClusterLinks,
} from "./cluster-links.ts";
export { ClusterProcess, type ClusterProcessDependencies } from "./cluster-process.ts";
export {
  type NodeControlPlane,
  type OpenControlPlaneDependencies,
  type OpenControlPlaneOptions,
  openControlPlane,
} from "./control-plane.ts";
export { registerControlPlaneMetrics } from "./control-plane-metrics.ts";
export { type DataDirLock, type DataDirLockDependencies, lockDataDir } from "./data-dir-lock.ts";
export type {
  Announced,
  Announcement,
  DiscoveredProcess,
  Discovery,
} from "./discovery/discovery.ts";
export {
  type DiscoverCluster,
  type ProcessDiscovery,
  processDiscovery,
} from "./discovery/process-discovery.ts";
export { StaticDiscovery } from "./discovery/static-discovery.ts";
export {
  type Health,
  type HealthCheck,
  HealthServer,
  type HealthServerDependencies,
  type HealthServerOptions,
} from "./health-server.ts";
export { KeyFileError, loadOrCreateKeyFile, readKeyFile } from "./key-file.ts";
export { registerLinkMetrics } from "./link-metrics.ts";
export { type LoadConfigOptions, loadConfig } from "./load-config.ts";
export {
  LocalControlPlane,
  type LocalControlPlaneDependencies,
  type LocalControlPlaneOptions,
} from "./local-control-plane.ts";
export {
  createAdjustableLogger,
  createLogger,
  type LoggerSettings,
  type LogLevelControl,
  type LogTarget,
} from "./logger.ts";
export { labelsOf } from "./node-description.ts";
export { type PeersSetting, parsePeers } from "./peers.ts";
export { registerProcessMetrics } from "./process-metrics.ts";
export { readSecretFile, writeSecretFile } from "./secret-file.ts";
export {
  type HostState,
  type ProcessRole,
  ServiceHost,
  type ServiceHostDependencies,
  type ServiceHostOptions,
} from "./service-host.ts";
export { type HostedService, ServiceProcess } from "./service-process.ts";
export { settle } from "./settle.ts";
export { noopMeter, Telemetry, type TelemetryOptions } from "./telemetry.ts";
export { loadOrCreateUdpKey, readUdpKey, type UdpKey } from "./udp-key-file.ts";
export { version } from "./version.ts";
