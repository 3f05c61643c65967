import { pathToFileURL } from "node:url";
import type { Clock, Logger } from "@atlasnet/core";
import { ArtifactError } from "../artifact-error.ts";
import type { ArtifactStore, ByteStream } from "../artifact-store.ts";
import { assertDigest, type Digest } from "../digest.ts";
import { MODULE_LIMITS } from "../modules/module-limits.ts";
import { CacheFolder } from "./cache-folder.ts";
import { type CacheIndex, indexBytes } from "./cache-index.ts";
import { CacheStats } from "./cache-metrics.ts";
import { storageProblem } from "./storage-problem.ts";
import { Turns } from "./turns.ts";

export interface ModuleCacheOptions {
  /** A folder of this process alone, as below its data directory. Made when it is not there. */
  readonly dir: string;
  /** Of all unpacked modules; default DEFAULT_CACHE_BYTES. While one is unpacked, its draft comes on top. */
  readonly maxBytes?: number;
  /** Folders of packages that modules import without bringing them: `@atlasnet/world`. */
  readonly provide?: { readonly [name: string]: string };
}

export interface ModuleCacheDependencies {
  readonly store: Pick<ArtifactStore, "get">;
  readonly clock: Pick<Clock, "wallTime">;
  readonly logger: Logger;
}

export const DEFAULT_CACHE_BYTES = 2 * 1024 * 1024 * 1024;
/** Modules that are fetched at once; others wait. */
export const MAX_FETCHES = 4;

interface Held {
  readonly index: CacheIndex;
  readonly bytes: number;
  usedAt: number;
}

/**
 * World modules on this machine's disk, under their digests.
 *
 * 1. What `resolve` names was unpacked from a tarball of that digest and is unchanged since.
 * 2. One digest is fetched once at a time, however many ask.
 * 3. Above `maxBytes`, what was not used for longest goes; never what is held.
 */
export class ModuleCache {
  readonly stats = new CacheStats();
  private readonly maxBytes: number;
  private readonly provided: { readonly [name: string]: string };
  private readonly folder: CacheFolder;
  private readonly store: Pick<ArtifactStore, "get">;
  private readonly clock: Pick<Clock, "wallTime">;
  private readonly logger: Logger;
  private readonly modules = new Map<Digest, Held>();
  private readonly holds = new Map<Digest, number>();
  private readonly resolving = new Map<Digest, Promise<URL>>();
  private readonly turns = new Turns(MAX_FETCHES);
  /** Changes of the folder and of the sums go one after another. */
  private readonly changes = new Turns(1);
  private state: "new" | "started" | "stopped" = "new";

  constructor(
    { dir, maxBytes = DEFAULT_CACHE_BYTES, provide = {} }: ModuleCacheOptions,
    { store, clock, logger }: ModuleCacheDependencies,
  ) {
    this.maxBytes = maxBytes;
    this.provided = provide;
    this.folder = new CacheFolder(dir);
    this.store = store;
    this.clock = clock;
    this.logger = logger;
  }

  /** @throws ArtifactError "artifact-storage" */
  async start(): Promise<void> {
    if (this.state !== "new") return;
    this.state = "started";
    try {
      for (const [digest, { index, usedAt }] of await this.folder.open())
        this.modules.set(digest, { index, usedAt, bytes: indexBytes(index) });
      for (const [name, target] of Object.entries(this.provided))
        await this.folder.provide(name, target);
      await this.makeRoom(0);
    } catch (error) {
      throw storageProblem("cannot use the module cache", error);
    }
  }

  /** Ends what is being fetched; the files stay for the next start. Idempotent. */
  async stop(): Promise<void> {
    this.state = "stopped";
    await Promise.allSettled(this.resolving.values());
  }

  /** What could be run from here without a fetch, for advertising. */
  digests(): readonly Digest[] {
    return [...this.modules.keys()].sort();
  }

  /** Keeps a module from being removed, from before its `resolve` until the function that this returns is called. */
  hold(digest: Digest): () => void {
    assertDigest(digest);
    this.holds.set(digest, (this.holds.get(digest) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.holds.get(digest) ?? 1) - 1;
      if (left === 0) this.holds.delete(digest);
      else this.holds.set(digest, left);
    };
  }

  /**
   * The file to import for a module: from the cache when it is sound there, fetched otherwise.
   * @throws ArtifactError: those of the store's `get`, "bad-module", "module-cache-full", "artifact-storage".
   */
  resolve(digest: Digest): Promise<URL> {
    assertDigest(digest);
    const before = this.resolving.get(digest);
    if (before !== undefined) return before;
    const after = this.resolveOnce(digest).finally(() => this.resolving.delete(digest));
    this.resolving.set(digest, after);
    return after;
  }

  private async resolveOnce(digest: Digest): Promise<URL> {
    if (this.state !== "started") throw stopped();
    // Nobody removes it between here and the end.
    const release = this.hold(digest);
    try {
      const index = (await this.soundIndex(digest)) ?? (await this.fetch(digest));
      const held = this.modules.get(digest);
      if (held !== undefined) held.usedAt = this.clock.wallTime();
      await this.folder.touch(digest, this.clock.wallTime());
      return pathToFileURL(this.folder.path(digest, index.entry));
    } catch (error) {
      throw storageProblem(`cannot keep module ${digest}`, error);
    } finally {
      release();
    }
  }

  private async soundIndex(digest: Digest): Promise<CacheIndex | undefined> {
    const held = this.modules.get(digest);
    if (held === undefined) return undefined;
    if (await this.folder.isSound(held.index)) {
      this.stats.hits += 1;
      return held.index;
    }
    this.stats.damaged += 1;
    this.logger.warn("a module in the cache is damaged and is fetched anew", { digest });
    await this.drop(digest);
    return undefined;
  }

  private fetch(digest: Digest): Promise<CacheIndex> {
    return this.turns.take(async () => {
      this.stats.fetches += 1;
      try {
        const tgz = this.whileStarted(await this.store.get(digest));
        const maxBytes = Math.min(MODULE_LIMITS.maxBytes, this.maxBytes);
        const draft = await this.folder.unpack(digest, tgz, { ...MODULE_LIMITS, maxBytes });
        const bytes = indexBytes(draft.index);
        await this.changes.take(async () => {
          try {
            await this.makeRoom(bytes);
            await this.folder.place(draft);
          } catch (error) {
            await this.folder.discard(draft.folder);
            throw error;
          }
          const usedAt = this.clock.wallTime();
          this.modules.set(digest, { index: draft.index, bytes, usedAt });
          this.count();
        });
        return draft.index;
      } catch (error) {
        this.stats.failures += 1;
        throw error;
      }
    });
  }

  private async *whileStarted(content: ByteStream): ByteStream {
    for await (const piece of content) {
      if (this.state !== "started") throw stopped();
      yield piece;
    }
  }

  /** Removes what was used longest ago until `bytes` more fit. */
  private async makeRoom(bytes: number): Promise<void> {
    const oldest = [...this.modules]
      .filter(([digest]) => !this.holds.has(digest))
      .sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [digest] of oldest) {
      if (this.sum() + bytes <= this.maxBytes) break;
      // Held since: the removals before this one took their time.
      if (this.holds.has(digest)) continue;
      await this.remove(digest);
      this.stats.evictions += 1;
    }
    this.count();
    if (bytes > 0 && this.sum() + bytes > this.maxBytes)
      throw new ArtifactError(
        "module-cache-full",
        `the module cache has no room for ${bytes} bytes: ${this.sum()} of ${this.maxBytes} are in use`,
        { hint: "Give the cache more room, or run fewer different modules on this node." },
      );
  }

  private async drop(digest: Digest): Promise<void> {
    await this.changes.take(() => this.remove(digest));
  }

  private async remove(digest: Digest): Promise<void> {
    // First: a removal that fails half-way must not leave it advertised.
    this.modules.delete(digest);
    this.count();
    await this.folder.remove(digest);
  }

  private count(): void {
    this.stats.modules = this.modules.size;
    this.stats.bytes = this.sum();
  }

  private sum(): number {
    let bytes = 0;
    for (const held of this.modules.values()) bytes += held.bytes;
    return bytes;
  }
}

function stopped(): ArtifactError {
  return new ArtifactError("artifact-storage", "the module cache is not running", {
    hint: "The node is stopping: the world is placed on another one.",
  });
}
