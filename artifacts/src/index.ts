export { ArtifactError, type ArtifactErrorCode } from "./artifact-error.ts";
export {
  type ArtifactFacts,
  type ArtifactKind,
  type ArtifactStore,
  type ByteStream,
  MAX_ARTIFACT_BYTES,
  MAX_ARTIFACTS,
  MODULE_TARBALLS,
} from "./artifact-store.ts";
export { type CacheStats, registerCacheMetrics } from "./cache/cache-metrics.ts";
export {
  DEFAULT_CACHE_BYTES,
  MAX_FETCHES,
  ModuleCache,
  type ModuleCacheDependencies,
  type ModuleCacheOptions,
} from "./cache/module-cache.ts";
export { type Digest, digestBytes, digestOf, digestText, isDigest } from "./digest.ts";
export {
  configuredStore,
  type ModuleFiles,
  type ModuleFilesDependencies,
  openModuleFiles,
  type StoredModuleSource,
} from "./module-files.ts";
export { type InspectedModule, inspectModule } from "./modules/inspect-module.ts";
export {
  listModules,
  type ModuleLibrary,
  type ModuleLibraryDependencies,
  type ModuleName,
  type PushedModule,
  type StoredModule,
  StoreLibrary,
} from "./modules/module-library.ts";
export {
  MAX_MODULE_FILES,
  MAX_UNPACKED_BYTES,
  MODULE_LIMITS,
  type ModuleLimits,
} from "./modules/module-limits.ts";
export { type ModuleManifest, PROVIDED_PACKAGES } from "./modules/module-manifest.ts";
export type { ModuleFile } from "./modules/module-tarball.ts";
export { packModule } from "./modules/pack-module.ts";
export {
  spoolTarball,
  type TarballSource,
  type TemporaryTarball,
  tarballFile,
} from "./modules/tarball-source.ts";
export { BucketStore, type BucketStoreOptions } from "./s3/bucket-store.ts";
export {
  DirectoryStore,
  type DirectoryStoreDependencies,
  type DirectoryStoreOptions,
} from "./store/directory-store.ts";
export {
  openArtifactStore,
  parseStoreLocation,
  placeWithin,
  STORE_ALLOWED,
  type StoreEnvironment,
  type StoreLocation,
} from "./store-location.ts";
