export {
  type PlacedProxy,
  type PlacedProxyDependencies,
  type PlacedProxyOptions,
  startPlacedProxy,
} from "./control/placed-proxy.ts";
export { defaultLimits, type ProxyLimits } from "./limits.ts";
export { ProxyCounters } from "./metrics.ts";
export {
  createProxyProcess,
  type ProxyProcess,
} from "./process.ts";
export { createProxy } from "./server/proxy.ts";
export type {
  ProxyDependencies,
  ProxyOptions,
  ProxyReadiness,
  ProxyService,
  ProxyUdpOptions,
} from "./server/proxy-service.ts";
export {
  createProxyService,
  type PlayersAddress,
  type ProxyKeys,
  type ProxyServiceDependencies,
  type ProxyServiceOptions,
  playersAddress,
} from "./service.ts";
