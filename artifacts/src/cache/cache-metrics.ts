import type { Meter } from "@opentelemetry/api";

/** What a module cache did since it was made, and what it holds. */
export class CacheStats {
  hits = 0;
  fetches = 0;
  failures = 0;
  damaged = 0;
  evictions = 0;
  modules = 0;
  bytes = 0;
}

export function registerCacheMetrics(meter: Meter, stats: CacheStats): void {
  const counter = (name: string, description: string, read: () => number) =>
    meter
      .createObservableCounter(name, { description })
      .addCallback((result) => result.observe(read()));
  const gauge = (name: string, description: string, read: () => number) =>
    meter
      .createObservableGauge(name, { description })
      .addCallback((result) => result.observe(read()));
  counter(
    "atlasnet_module_cache_hits_total",
    "Modules that were sound in the cache",
    () => stats.hits,
  );
  counter(
    "atlasnet_module_cache_fetches_total",
    "Modules fetched from the store",
    () => stats.fetches,
  );
  counter("atlasnet_module_cache_failures_total", "Fetches that failed", () => stats.failures);
  counter(
    "atlasnet_module_cache_damaged_total",
    "Modules found damaged in the cache",
    () => stats.damaged,
  );
  counter(
    "atlasnet_module_cache_evictions_total",
    "Modules removed to make room",
    () => stats.evictions,
  );
  gauge("atlasnet_module_cache_modules", "Modules in the cache", () => stats.modules);
  gauge("atlasnet_module_cache_bytes", "Bytes of modules in the cache", () => stats.bytes);
}
