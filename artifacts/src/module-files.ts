import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config, Logger, ModuleSource } from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/system";
import type { Meter } from "@opentelemetry/api";
import { ArtifactError } from "./artifact-error.ts";
import type { ArtifactStore } from "./artifact-store.ts";
import { registerCacheMetrics } from "./cache/cache-metrics.ts";
import { ModuleCache } from "./cache/module-cache.ts";
import { digestText } from "./digest.ts";
import { openArtifactStore, parseStoreLocation, type StoreEnvironment } from "./store-location.ts";

/** A module as a world names it when it was pushed. */
export type StoredModuleSource = Extract<ModuleSource, { source: "store" }>;

/** The files of the modules that worlds name, on this machine. */
export interface ModuleFiles {
  /** False without `artifacts.store`: then every `fileOf` fails. */
  readonly available: boolean;
  /**
   * The file that exports `world`: out of the cache when it is sound there, fetched and checked otherwise. Who
   * asks for one that is on its way waits for the same fetch.
   * @throws ArtifactError: what the store says, "bad-module", "module-cache-full", "artifact-storage",
   * "no-artifact-store"; each with what to do.
   */
  fileOf(source: StoredModuleSource): Promise<string>;
  /**
   * Keeps a module's files from being removed to make room, from before its `fileOf` until the function that
   * this returns is called: for as long as a world runs, for its thread may have to load it again.
   */
  hold(source: StoredModuleSource): () => void;
  /** Ends what is being fetched; the files stay for the next start. Idempotent. */
  stop(): Promise<void>;
}

export interface ModuleFilesDependencies {
  readonly logger: Logger;
  readonly meter: Meter;
  /** Credentials of a bucket; default: this process's environment. */
  readonly env?: StoreEnvironment;
  /** Default: what `artifacts.store` names. */
  readonly store?: Pick<ArtifactStore, "get">;
}

/** Below `data.dir`. */
const FOLDER = "modules";

/**
 * The modules of a gameserver, from `artifacts.*` of its configuration. Its data folder is this process's own.
 * @throws ArtifactError "bad-artifact-store" for an address that cannot be read, "artifact-storage"
 */
export async function openModuleFiles(
  { artifacts, data }: Pick<Config, "artifacts" | "data">,
  { logger, meter, env, store = storeOf(artifacts.store, env) }: ModuleFilesDependencies,
): Promise<ModuleFiles> {
  if (store === undefined) return new NoModuleFiles();
  const cache = new ModuleCache(
    {
      dir: join(data.dir, FOLDER),
      maxBytes: artifacts.cacheBytes,
      provide: { "@atlasnet/world": worldPackage() },
    },
    { store, clock: systemClock, logger: logger.child({ part: "modules" }) },
  );
  registerCacheMetrics(meter, cache.stats);
  await cache.start();
  return new CachedModuleFiles(cache);
}

/** The artifact store that a configuration names, if any. @throws ArtifactError "bad-artifact-store" */
export function configuredStore(
  { artifacts }: Pick<Config, "artifacts">,
  env?: StoreEnvironment,
): ArtifactStore | undefined {
  return storeOf(artifacts.store, env);
}

class CachedModuleFiles implements ModuleFiles {
  readonly available = true;
  private readonly cache: ModuleCache;

  constructor(cache: ModuleCache) {
    this.cache = cache;
  }

  async fileOf(source: StoredModuleSource): Promise<string> {
    try {
      return fileURLToPath(await this.cache.resolve(digestText(source.digest)));
    } catch (error) {
      if (!(error instanceof ArtifactError)) throw error;
      const { name, version } = source;
      // A digest tells nobody which of the modules it is.
      throw new ArtifactError(error.code, `module ${name}@${version}: ${error.message}`, {
        facts: { ...error.facts, name, version },
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        cause: error,
      });
    }
  }

  hold(source: StoredModuleSource): () => void {
    return this.cache.hold(digestText(source.digest));
  }

  stop(): Promise<void> {
    return this.cache.stop();
  }
}

class NoModuleFiles implements ModuleFiles {
  readonly available = false;

  async fileOf({ name, version }: StoredModuleSource): Promise<string> {
    throw new ArtifactError(
      "no-artifact-store",
      `module ${name}@${version} is in the artifact store, and this node has none`,
      {
        facts: { name, version },
        hint: "Set artifacts.store to the folder or bucket that the cluster's other nodes use.",
      },
    );
  }

  hold(): () => void {
    return () => undefined;
  }

  async stop(): Promise<void> {}
}

function storeOf(
  place: string | undefined,
  env: StoreEnvironment = process.env,
): ArtifactStore | undefined {
  if (place === undefined) return undefined;
  // A folder is absolute already: the configuration knows what it is relative to.
  return openArtifactStore(parseStoreLocation(place, { workingDir: process.cwd(), env }));
}

/** The copy that this process itself uses: a world and its server have to share it. */
function worldPackage(): string {
  return dirname(dirname(fileURLToPath(import.meta.resolve("@atlasnet/world"))));
}
