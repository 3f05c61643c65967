export { defaultLimits, type ProxyLimits } from "./limits.ts";
export { ProxyCounters } from "./metrics.ts";
export {
  createProxy,
  type ProxyDependencies,
  type ProxyOptions,
  type ProxyService,
} from "./server/proxy.ts";
