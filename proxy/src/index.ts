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
export {
  createProxy,
  type ProxyDependencies,
  type ProxyOptions,
  type ProxyReadiness,
  type ProxyService,
  type ProxyUdpOptions,
} from "./server/proxy.ts";
export {
  createProxyService,
  type PlayersAddress,
  type ProxyKeys,
  type ProxyServiceDependencies,
  type ProxyServiceOptions,
  playersAddress,
} from "./service.ts";
