import { isAbsolute, relative, resolve } from "node:path";
import { type ModuleSource, OperatingError } from "@atlasnet/core";
import { resolveModule } from "../host/load-module.ts";

/** Modules of the artifact store as files; `openModuleFiles` of `@atlasnet/artifacts` makes one. */
export interface StoredModuleFiles {
  fileOf(source: StoredModule): Promise<string>;
  /** Keeps its files on the disk until the function that this returns is called. */
  hold(source: StoredModule): () => void;
}

export type StoredModule = Extract<ModuleSource, { source: "store" }>;

/** Finds the files of the modules that worlds of the catalogue name. */
export class WorldModules {
  private readonly dir: string;
  private readonly stored: StoredModuleFiles;
  private readonly held = new Map<string, () => void>();

  /** `dir`: what paths of worlds are relative to. */
  constructor(
    { dir }: { readonly dir: string },
    { stored }: { readonly stored: StoredModuleFiles },
  ) {
    this.dir = dir;
    this.stored = stored;
  }

  /** The file to load for a shard's world, there until `release`. @throws OperatingError that says what to do */
  async fileOf(shard: string, source: ModuleSource): Promise<string> {
    if (source.source === "node") return moduleOfNode(source.path, this.dir);
    const release = this.stored.hold(source);
    try {
      const file = await this.stored.fileOf(source);
      this.release(shard);
      this.held.set(shard, release);
      return file;
    } catch (error) {
      release();
      throw error;
    }
  }

  release(shard: string): void {
    this.held.get(shard)?.();
    this.held.delete(shard);
  }
}

/**
 * A module that the node has by itself: a path within `dir`, an absolute one, or an installed package. Who
 * makes worlds is not to reach what lies beside the folder. @throws OperatingError
 */
export function moduleOfNode(path: string, dir: string): string {
  const inside = relative(dir, resolve(dir, path));
  if (!isAbsolute(path) && (inside === ".." || /^\.\.[\\/]/.test(inside) || isAbsolute(inside)))
    throw new OperatingError(
      "module-outside",
      `world module "${path}" is outside of ${dir}, the folder that this node takes modules from`,
      {
        hint: "Put it there, set gameserver.modulesDir to a folder above it, or push it with `atlasnet module push`.",
      },
    );
  return resolveModule(path, dir);
}
